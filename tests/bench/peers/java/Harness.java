import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/**
 * What every timed Java program here shares: decode the file RUNS times and print one line per run, or,
 * with 0 runs, one line with the events of each type and the frames of their stacks. Only decode() is
 * on the clock.
 */
final class Harness {
  /** What is returned is kept until the clock has stopped. */
  interface Decode {
    Object decode(Path file) throws Exception;
  }

  /** Says for every event its type and how deep its stack is, -1 when this decoder cannot tell. */
  interface Count {
    void count(Path file, Counts counts) throws Exception;
  }

  static final class Counts {
    private final Map<String, long[]> types = new TreeMap<>();
    private long all;

    void add(String type, long events, long frames) {
      long[] sums = types.computeIfAbsent(type, name -> new long[2]);
      sums[0] += events;
      sums[1] = frames < 0 || sums[1] < 0 ? -1 : sums[1] + frames;
      all += events;
    }

    private String line() {
      StringBuilder line = new StringBuilder("counts\t*=" + all + "/-");
      types.forEach((name, sums) -> line.append('\t').append(name).append('=').append(sums[0]).append('/')
          .append(sums[1] < 0 ? "-" : sums[1]));
      return line.toString();
    }
  }

  private static long peakKib() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status")))
      if (line.startsWith("VmHWM:")) return Long.parseLong(line.replaceAll("[^0-9]", ""));
    return 0;
  }

  static void run(String name, String[] arguments, Decode decode, Count count) throws Exception {
    Path file = Path.of(arguments[0]);
    int runs = Integer.parseInt(arguments[1]);
    long size = Files.size(file);
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    for (int i = 0; i < runs; i++) {
      System.gc(); // what the run before left must not be collected on this run's time
      long cpuBefore = system.getProcessCpuTime();
      long start = System.nanoTime();
      Object decoded = decode.decode(file);
      double seconds = (System.nanoTime() - start) / 1e9;
      double cpu = (system.getProcessCpuTime() - cpuBefore) / 1e9; // of compiler and collector too
      System.out.printf("%s\t%d\t%.6f\t%d\t-\t-\t%.6f%n", name, size, seconds, peakKib(), cpu);
      System.out.flush();
      if (decoded == null) throw new IllegalStateException("decoded nothing");
    }
    if (runs > 0) return;
    Counts counts = new Counts();
    count.count(file, counts);
    System.out.println(counts.line());
  }

  /** The mode, after FILE and RUNS; exits when the arguments are not of that form. */
  static String mode(String[] arguments, String... modes) {
    boolean fits = arguments.length == 3 && arguments[1].matches("0|[1-9][0-9]{0,5}");
    for (String mode : modes) if (fits && arguments[2].equals(mode)) return mode;
    System.err.println("usage: FILE RUNS " + String.join("|", modes));
    System.exit(2);
    return null;
  }

  private Harness() {}
}

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import jdk.jfr.Configuration;
import jdk.jfr.Recording;

/**
 * A program to be recorded: threads that compute, allocate, wait for each other, throw and do files
 * at the bottom of many different call paths, as a server's do.
 *
 * <p>{@code java Workload.java jdk MEGABYTES OUT.jfr} records itself until there are that many;
 * {@code java Workload.java run SECONDS} only runs, for a profiler that is loaded from outside.
 */
public final class Workload {
  private static volatile boolean stopped;
  private static volatile long sink;
  private static final Object[] monitors = {new Object(), new Object(), new Object()};
  private static final ReentrantLock lock = new ReentrantLock();

  /** What is done at the bottom of a call path. */
  private interface Work {
    void run(Random random) throws Exception;
  }

  /** A layer of the program; each of its methods calls a method of the layer below. */
  private abstract static class Layer {
    final Layer below;

    Layer(Layer below) {
      this.below = below;
    }

    void call(Random random, int turns, Work work) throws Exception {
      if (turns == 0 || below == null) {
        work.run(random);
        return;
      }
      switch (random.nextInt(8)) {
        case 0: read(random, turns, work); break;
        case 1: write(random, turns, work); break;
        case 2: find(random, turns, work); break;
        case 3: sort(random, turns, work); break;
        case 4: encode(random, turns, work); break;
        case 5: decode(random, turns, work); break;
        case 6: validate(random, turns, work); break;
        default: dispatch(random, turns, work); break;
      }
    }

    void read(Random random, int turns, Work work) throws Exception { below.call(random, turns - 1, work); }
    void write(Random random, int turns, Work work) throws Exception { below.call(random, turns - 1, work); }
    void find(Random random, int turns, Work work) throws Exception { below.call(random, turns - 1, work); }
    void sort(Random random, int turns, Work work) throws Exception { below.call(random, turns - 1, work); }
    void encode(Random random, int turns, Work work) throws Exception { below.call(random, turns - 1, work); }
    void decode(Random random, int turns, Work work) throws Exception { below.call(random, turns - 1, work); }
    void validate(Random random, int turns, Work work) throws Exception { below.call(random, turns - 1, work); }
    void dispatch(Random random, int turns, Work work) throws Exception { below.call(random, turns - 1, work); }
  }

  private static final class Storage extends Layer { Storage(Layer below) { super(below); } }
  private static final class Cache extends Layer { Cache(Layer below) { super(below); } }
  private static final class Protocol extends Layer { Protocol(Layer below) { super(below); } }
  private static final class Session extends Layer { Session(Layer below) { super(below); } }
  private static final class Service extends Layer { Service(Layer below) { super(below); } }

  private static Layer program() {
    Layer layer = null;
    for (int i = 0; i < 4; i++)
      layer = new Service(new Session(new Protocol(new Cache(new Storage(layer)))));
    return layer;
  }

  private static void compute(Random random) {
    long value = random.nextLong();
    for (int i = 0; i < 20_000; i++) value = value * 6364136223846793005L + 1442695040888963407L;
    sink += value;
  }

  private static void allocate(Random random) {
    Map<String, byte[]> kept = new HashMap<>();
    for (int i = 0; i < 8; i++) kept.put("key " + random.nextInt(1000), new byte[500 + random.nextInt(2000)]);
    List<long[]> rows = new ArrayList<>();
    for (int i = 0; i < 4; i++) rows.add(new long[100 + random.nextInt(500)]);
    sink += kept.size() + rows.size();
  }

  private static void contend(Random random) {
    synchronized (monitors[random.nextInt(monitors.length)]) {
      sink += random.nextInt();
      if (random.nextInt(4) == 0) LockSupport.parkNanos(20_000);
    }
    lock.lock();
    try {
      sink += random.nextInt();
    } finally {
      lock.unlock();
    }
  }

  private static void fail(Random random) {
    try {
      throw new IllegalStateException("request " + random.nextInt(100));
    } catch (IllegalStateException e) {
      sink++;
    }
  }

  private static void files(RandomAccessFile file, Random random) throws IOException {
    byte[] block = new byte[256 + random.nextInt(1024)];
    file.seek(random.nextInt(1 << 16));
    file.write(block);
    file.seek(0);
    file.read(block);
  }

  private static void worker(int number) {
    Random random = new Random(number);
    Layer program = program();
    Path scratch = null;
    try {
      scratch = Files.createTempFile("workload", ".bin");
      try (RandomAccessFile file = new RandomAccessFile(scratch.toFile(), "rw")) {
        while (!stopped) {
          // Few depths and few seeds for the path, so that paths repeat.
          Random path = new Random(random.nextInt(3000));
          int turns = 6 + path.nextInt(14);
          int kind = random.nextInt(100);
          program.call(path, turns, inner -> {
            if (kind < 30) compute(random);
            else if (kind < 70) allocate(random);
            else if (kind < 90) contend(random);
            else if (kind < 95) fail(random);
            else files(file, random);
          });
        }
      } finally {
        Files.delete(scratch);
      }
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static List<Thread> start() {
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      int number = i;
      Thread thread = new Thread(() -> worker(number), "worker " + i);
      thread.start();
      threads.add(thread);
    }
    return threads;
  }

  private static void stop(List<Thread> threads) throws InterruptedException {
    stopped = true;
    for (Thread thread : threads) thread.join();
  }

  private static void recordItself(long bytes, Path out) throws Exception {
    try (Recording recording = new Recording(Configuration.getConfiguration("profile"))) {
      for (String name : new String[] {"JavaMonitorEnter", "JavaMonitorWait", "ThreadPark", "ThreadSleep", "FileRead",
                                       "FileWrite"})
        recording.enable("jdk." + name).withThreshold(Duration.ZERO).withStackTrace();
      recording.enable("jdk.JavaExceptionThrow").withStackTrace();
      recording.enable("jdk.ObjectAllocationInNewTLAB").withStackTrace();
      recording.enable("jdk.ObjectAllocationOutsideTLAB").withStackTrace();
      recording.enable("jdk.ExecutionSample").withPeriod(Duration.ofMillis(10));
      recording.setToDisk(true);
      recording.start();
      List<Thread> threads = start();
      while (recording.getSize() < bytes) Thread.sleep(50);
      stop(threads);
      recording.stop();
      recording.dump(out);
    }
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments.length == 3 && arguments[0].equals("jdk")) {
      recordItself(Long.parseLong(arguments[1]) * 1_000_000, Path.of(arguments[2]));
    } else if (arguments.length == 2 && arguments[0].equals("run")) {
      List<Thread> threads = start();
      Thread.sleep(Long.parseLong(arguments[1]) * 1000);
      stop(threads);
    } else {
      System.err.println("usage: Workload jdk MEGABYTES OUT.jfr | run SECONDS");
      System.exit(2);
    }
  }
}

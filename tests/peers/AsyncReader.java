import java.nio.charset.StandardCharsets;
import java.util.*;
import one.jfr.*;
import one.jfr.event.*;

/**
 * `java -cp jfr-converter.jar:. AsyncReader FILE`: what async-profiler's own reader finds: of each kind of event, by thread
 * and innermost frame, how many there are and what they weigh, a line `kind count sum thread frame`, tabs between.
 */
public class AsyncReader {
  static String kind(JfrReader reader, Event event) {
    String kind = event.getClass().getSimpleName();
    if (event instanceof ExecutionSample)
      kind += " " + reader.getEnumValue("jdk.types.ThreadState", ((ExecutionSample) event).threadState);
    if (event instanceof MallocEvent && ((MallocEvent) event).size == 0) kind = "FreeEvent";
    return kind;
  }

  static String text(byte[] symbol) {
    return symbol == null ? "" : new String(symbol, StandardCharsets.UTF_8);
  }

  /** As its converter has it: what is native goes without the library. */
  static String innermost(JfrReader reader, Event event) {
    StackTrace trace = reader.stackTraces.get(event.stackTraceId);
    if (trace == null || trace.methods.length == 0) return "";
    MethodRef method = reader.methods.get(trace.methods[0]);
    if (method == null) return "";
    ClassRef of = reader.classes.get(method.cls);
    String name = text(reader.symbols.get(method.name));
    String type = reader.getEnumValue("jdk.types.FrameType", trace.types[0]);
    String owner = of == null ? "" : text(reader.symbols.get(of.name));
    boolean isNative = type.equals("Native") || type.equals("C++") || type.equals("Kernel");
    return owner.isEmpty() || isNative ? name : owner.replace('/', '.') + "." + name;
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, long[]> found = new TreeMap<>();
    try (JfrReader reader = new JfrReader(arguments[0])) {
      for (Event event; (event = reader.readEvent()) != null; ) {
        boolean isTime = event instanceof ContendedLock || event instanceof MethodTrace;
        long weight = isTime ? Math.round(event.value() * reader.nanosPerTick) : event.value();
        String thread = reader.threads.get(event.tid);
        String key = (thread == null ? "" : thread) + "\t" + innermost(reader, event);
        long[] sums = found.computeIfAbsent(kind(reader, event) + "\t%d\t%d\t" + key, name -> new long[2]);
        sums[0]++;
        sums[1] += weight;
      }
    }
    found.forEach((line, sums) -> {
      String[] parts = line.split("\t", -1);
      System.out.println(parts[0] + "\t" + sums[0] + "\t" + sums[1] + "\t" + parts[3] + "\t" + parts[4]);
    });
  }
}

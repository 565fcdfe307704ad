import java.nio.file.Path;
import java.util.*;
import jdk.jfr.consumer.*;

/** `java RecordingReader FILE`: how many events of each type the JDK's own reader finds, a line `count name` each. */
public class RecordingReader {
  public static void main(String[] arguments) throws Exception {
    Map<String, Long> counts = new TreeMap<>();
    try (RecordingFile file = new RecordingFile(Path.of(arguments[0]))) {
      while (file.hasMoreEvents()) counts.merge(file.readEvent().getEventType().getName(), 1L, Long::sum);
    }
    counts.forEach((name, count) -> System.out.println(count + " " + name));
  }
}

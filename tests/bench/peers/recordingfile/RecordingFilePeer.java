import java.nio.file.Path;
import java.util.List;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordedStackTrace;
import jdk.jfr.consumer.RecordingFile;

/**
 * The JDK's own reader. "events" asks it for every event and looks at none of them, and it resolves
 * only what is asked for; "frames" asks for every frame's class, method and line, as who makes a
 * profile of it must.
 */
final class RecordingFilePeer {
  private static Object events(Path file) throws Exception {
    long events = 0;
    try (RecordingFile recording = new RecordingFile(file)) {
      while (recording.hasMoreEvents()) {
        recording.readEvent();
        events++;
      }
    }
    return events;
  }

  private static Object frames(Path file) throws Exception {
    long sum = 0;
    try (RecordingFile recording = new RecordingFile(file)) {
      while (recording.hasMoreEvents()) {
        RecordedStackTrace trace = recording.readEvent().getStackTrace();
        if (trace == null) continue;
        for (RecordedFrame frame : trace.getFrames())
          sum += frame.getLineNumber() + frame.getMethod().getName().length()
              + frame.getMethod().getType().getName().length();
      }
    }
    return sum;
  }

  private static void count(Path file, Harness.Counts counts) throws Exception {
    try (RecordingFile recording = new RecordingFile(file)) {
      while (recording.hasMoreEvents()) {
        RecordedEvent event = recording.readEvent();
        RecordedStackTrace trace = event.getStackTrace();
        counts.add(event.getEventType().getName(), 1, trace == null ? 0 : trace.getFrames().size());
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    String mode = Harness.mode(arguments, "events", "frames");
    Harness.run("RecordingFile " + mode, arguments,
        mode.equals("events") ? RecordingFilePeer::events : RecordingFilePeer::frames, RecordingFilePeer::count);
  }
}

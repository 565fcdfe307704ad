import java.nio.file.Path;
import java.util.regex.Pattern;
import org.openjdk.jmc.common.IMCStackTrace;
import org.openjdk.jmc.common.item.IItem;
import org.openjdk.jmc.common.item.IItemCollection;
import org.openjdk.jmc.common.item.IItemIterable;
import org.openjdk.jmc.common.item.IMemberAccessor;
import org.openjdk.jmc.flightrecorder.JfrAttributes;
import org.openjdk.jmc.flightrecorder.JfrLoaderToolkit;

/** JDK Mission Control's parser, by the call its users make: the whole recording into memory, on all cores. */
final class JmcPeer {
  /** What JMC appends to a type's name when chunks differ in its fields. */
  private static final Pattern SUFFIX = Pattern.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$");

  private static Object load(Path file) throws Exception {
    return JfrLoaderToolkit.loadEvents(file.toFile());
  }

  private static void count(Path file, Harness.Counts counts) throws Exception {
    IItemCollection items = JfrLoaderToolkit.loadEvents(file.toFile());
    for (IItemIterable ofType : items) {
      IMemberAccessor<IMCStackTrace, IItem> stack = JfrAttributes.EVENT_STACKTRACE.getAccessor(ofType.getType());
      String name = SUFFIX.matcher(ofType.getType().getIdentifier()).replaceFirst("");
      for (IItem item : ofType) {
        IMCStackTrace trace = stack == null ? null : stack.getMember(item);
        counts.add(name, 1, trace == null ? 0 : trace.getFrames().size());
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    Harness.mode(arguments, "load");
    Harness.run("JMC", arguments, JmcPeer::load, JmcPeer::count);
  }
}

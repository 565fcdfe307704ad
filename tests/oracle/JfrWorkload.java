import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.locks.*;
import jdk.jfr.*;

/** Makes a recording with some of everything: `java JfrWorkload.java OUT.jfr`, about three seconds. */
public class JfrWorkload {
  static volatile long sink;
  static final Object monitor = new Object();
  static final ReentrantLock lock = new ReentrantLock();

  /** A field of every type, with every annotation that changes what a number means. */
  @Name("test.Everything")
  @Label("Everything \u00e9\u4e16")
  @Category({"Test", "Values"})
  static class Everything extends Event {
    boolean aBoolean;
    byte aByte;
    char aChar;
    short aShort;
    int anInt;
    long aLong;
    float aFloat;
    double aDouble;
    String text;
    String nothing;
    String empty = "";
    Class<?> aClass;
    Thread aThread;
    @Timespan(Timespan.NANOSECONDS) long nanoseconds;
    @Timespan(Timespan.MICROSECONDS) long microseconds;
    @Timespan(Timespan.MILLISECONDS) long milliseconds;
    @Timespan(Timespan.SECONDS) long seconds;
    @Timespan(Timespan.TICKS) long ticks;
    @Timestamp(Timestamp.MILLISECONDS_SINCE_EPOCH) long moment;
    @Timestamp(Timestamp.TICKS) long tickMoment;
    @DataAmount(DataAmount.BYTES) long bytes;
    @DataAmount(DataAmount.BITS) long bits;
    @Frequency long frequency;
    @Percentage float share;
    @MemoryAddress long address;
    @Unsigned byte unsignedByte;
    @Unsigned short unsignedShort;
    @Unsigned int unsignedInt;
    @Unsigned long unsignedLong;
    @BooleanFlag boolean flag;
  }

  static class Small extends Event {
    int number;
  }

  static long burn(int depth, long value) {
    if (depth > 0) return burn(depth - 1, value * 31 + depth);
    for (int i = 0; i < 20_000; i++) value = value * 6364136223846793005L + 1442695040888963407L;
    return value;
  }

  static void each(Random random, int i) {
    String[] texts = {"plain", "caf\u00e9", "\u4e16\u754c \ud83d\ude00", "", "tab\tand \"quotes\" \\ \u0001",
                      "lone \ud800 half", "long ".repeat(40)};
    long[] longs = {0, 1, -1, 127, 128, -128, 1L << 32, Long.MAX_VALUE - 1, Long.MIN_VALUE + 1, random.nextLong()};
    Everything event = new Everything();
    event.begin();
    long value = longs[i % longs.length];
    event.aBoolean = i % 2 == 0;
    event.aByte = (byte) value;
    event.aChar = (char) (i % 3 == 0 ? 0x4e16 + i : 'a' + i % 26);
    event.aShort = (short) value;
    event.anInt = (int) value;
    event.aLong = value;
    event.aFloat = i == 7 ? Float.NaN : (float) (random.nextGaussian() * Math.pow(10, i % 20 - 10));
    event.aDouble = i == 8 ? Double.POSITIVE_INFINITY : random.nextGaussian() * Math.pow(10, i % 200 - 100);
    event.text = texts[i % texts.length];
    event.aClass = i % 3 == 0 ? int[][].class : i % 3 == 1 ? JfrWorkload.class : Map.Entry.class;
    event.aThread = i % 2 == 0 ? Thread.currentThread() : null;
    event.nanoseconds = value;
    event.microseconds = value / 1_000_000;
    event.milliseconds = value / 1_000_000_000;
    event.seconds = value >> 34;
    event.ticks = i * 1000L;
    event.moment = System.currentTimeMillis();
    event.bytes = value;
    event.bits = value & 0xffff_fff8L;
    event.frequency = i;
    event.share = i / 100f;
    event.address = value;
    event.unsignedByte = (byte) i;
    event.unsignedShort = (short) i;
    event.unsignedInt = i;
    event.unsignedLong = i;
    event.flag = i % 5 == 0;
    event.commit();
  }

  static Thread start(String name, Runnable work) {
    Thread thread = new Thread(new ThreadGroup("group of " + name), work, name);
    thread.start();
    return thread;
  }

  static void files() throws IOException {
    Path path = Files.createTempFile("workload", ".bin");
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      for (int i = 0; i < 50; i++) {
        file.write(new byte[1000 + i]);
        file.seek(0);
        file.read(new byte[500]);
      }
      file.getFD().sync();
    } finally {
      Files.delete(path);
    }
  }

  static void sockets() throws Exception {
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      Thread peer = start("peer", () -> {
        try (Socket socket = server.accept()) {
          byte[] bytes = new byte[100];
          while (socket.getInputStream().read(bytes) > 0) socket.getOutputStream().write(bytes, 0, 10);
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      });
      try (Socket socket = new Socket(server.getInetAddress(), server.getLocalPort())) {
        for (int i = 0; i < 30; i++) {
          socket.getOutputStream().write(new byte[50]);
          socket.getInputStream().read(new byte[10]);
        }
      }
      peer.join();
    }
  }

  public static void main(String[] arguments) throws Exception {
    Recording recording = new Recording(Configuration.getConfiguration("profile"));
    for (String name : new String[] {"JavaMonitorEnter", "JavaMonitorWait", "ThreadPark", "ThreadSleep", "FileRead",
                                     "FileWrite", "FileForce", "SocketRead", "SocketWrite"})
      recording.enable("jdk." + name).withThreshold(Duration.ZERO).withStackTrace();
    recording.enable("jdk.JavaExceptionThrow").withStackTrace();
    recording.enable("jdk.ObjectAllocationInNewTLAB").withStackTrace();
    recording.enable("jdk.ExecutionSample").withPeriod(Duration.ofMillis(10));
    recording.setMaxAge(Duration.ofDays(3));
    recording.start();

    long end = System.nanoTime() + 2_000_000_000L;
    List<Thread> threads = new ArrayList<>();
    threads.add(start("cpu \u00e9", () -> { while (System.nanoTime() < end) sink = burn(90, sink); }));
    threads.add(start("allocation", () -> {
      List<byte[]> kept = new ArrayList<>();
      while (System.nanoTime() < end) {
        kept.add(new byte[100_000]);
        if (kept.size() > 100) kept.clear();
        Thread.yield();
      }
    }));
    for (int i = 0; i < 2; i++)
      threads.add(start("lock " + i, () -> {
        for (int n = 0; n < 60; n++) {
          synchronized (monitor) { sink = burn(1, sink); }
          lock.lock();
          try { sink = burn(1, sink); } finally { lock.unlock(); }
        }
      }));
    threads.add(start("errors", () -> {
      for (int n = 0; n < 40; n++) {
        try { throw new IllegalStateException("number " + n); } catch (IllegalStateException e) { sink++; }
      }
    }));
    Random random = new Random(1);
    for (int i = 0; i < 200; i++) each(random, i);
    for (int i = 0; i < 100; i++) {
      Small small = new Small();
      small.number = i;
      small.commit();
    }
    files();
    sockets();
    LockSupport.parkNanos(2_000_000);
    Thread.sleep(3);
    synchronized (monitor) { monitor.wait(5); }
    System.gc();
    for (Thread thread : threads) thread.join();
    recording.stop();
    recording.dump(Path.of(arguments[0]));
  }
}

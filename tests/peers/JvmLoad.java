import com.sun.management.OperatingSystemMXBean;
import java.io.*;
import java.lang.management.ManagementFactory;
import java.net.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.*;

/**
 * A load whose figures are known: `java JvmLoad FACTS SECONDS PART...`. At its end it writes what it did to FACTS, a line
 * `name value` each, measured by itself and by the JVM's own counters, none of which a profiler has a hand in.
 */
public class JvmLoad {
  static final com.sun.management.ThreadMXBean threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
  static final Map<String, AtomicLong> facts = new TreeMap<>();
  static final Map<String, Runnable> parts = new LinkedHashMap<>();
  static volatile long sink;
  static volatile long end;
  static Path folder;

  static void add(String name, long value) {
    synchronized (facts) {
      facts.computeIfAbsent(name, key -> new AtomicLong()).addAndGet(value);
    }
  }

  static boolean goesOn() {
    return System.nanoTime() < end;
  }

  static void sleep(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  // --- CPU: of the burner's time three quarters are heavy(), one is light(), by the thread's own CPU clock.

  static long compute(long value) {
    for (int i = 0; i < 20_000; i++) value = value * 6364136223846793005L + 1442695040888963407L;
    return value;
  }

  static long burnUntil(long cpu, long value) {
    while (threads.getCurrentThreadCpuTime() < cpu) value = compute(value);
    return value;
  }

  static long heavy(int depth, long cpu) {
    if (depth > 0) return heavy(depth - 1, cpu) + 1;
    return burnUntil(cpu, sink);
  }

  static long light(long cpu) {
    return burnUntil(cpu, sink);
  }

  static void burn() {
    while (goesOn()) {
      long begin = threads.getCurrentThreadCpuTime();
      sink = heavy(20, begin + 15_000_000);
      long middle = threads.getCurrentThreadCpuTime();
      sink = light(middle + 5_000_000);
      add("heavy_ns", middle - begin);
      add("light_ns", threads.getCurrentThreadCpuTime() - middle);
    }
  }

  // --- Heap: short-lived arrays, and objects that stay. Little at a time, so that other parts run beside it.

  static byte[][] young = new byte[64][];
  static final List<Kept> kept = new ArrayList<>();

  static class Kept {
    final byte[] content = new byte[3000];
  }

  static void allocateYoung(Random random) {
    for (int i = 0; i < 60; i++) young[i % young.length] = new byte[2000 + random.nextInt(2000)];
  }

  static void keep() {
    for (int i = 0; i < 5; i++) kept.add(new Kept());
  }

  static void allocate() {
    Random random = new Random(1);
    while (goesOn()) {
      allocateYoung(random);
      keep();
      sleep(1);
    }
    add("kept_objects", kept.size());
    add("heap_collections", 1);
    System.gc(); // what is alive after it is what was kept
  }

  // --- Locks: another thread has them for a while whenever they are wanted.

  static final Object monitor = new Object();
  static final ReentrantLock lock = new ReentrantLock();
  static final Semaphore wanted = new Semaphore(), taken = new Semaphore();

  static class Semaphore extends java.util.concurrent.Semaphore {
    Semaphore() {
      super(0);
    }
  }

  static void holdLocks() {
    boolean ofMonitor = true;
    while (true) {
      wanted.acquireUninterruptibly();
      if (!goesOn()) break;
      if (ofMonitor) {
        synchronized (monitor) {
          taken.release();
          sleep(20);
        }
      } else {
        lock.lock();
        try {
          taken.release();
          sleep(20);
        } finally {
          lock.unlock();
        }
      }
      ofMonitor = !ofMonitor;
    }
    taken.release();
  }

  static void enterMonitor() {
    long begin = System.nanoTime();
    synchronized (monitor) {
      add("monitor_ns", System.nanoTime() - begin);
    }
    add("monitor_waits", 1);
  }

  static void takeLock() {
    long begin = System.nanoTime();
    lock.lock();
    add("lock_ns", System.nanoTime() - begin);
    add("lock_waits", 1);
    lock.unlock();
  }

  static void wantLocks() {
    boolean ofMonitor = true;
    while (goesOn()) {
      wanted.release();
      taken.acquireUninterruptibly();
      if (!goesOn()) break;
      if (ofMonitor) enterMonitor();
      else takeLock();
      ofMonitor = !ofMonitor;
    }
    wanted.release();
  }

  // --- Native memory, of which every fourth block is never given back.

  static final List<Long> leaked = new ArrayList<>();

  static long mallocFreed(sun.misc.Unsafe unsafe, long size) {
    return unsafe.allocateMemory(size);
  }

  static long mallocLeaked(sun.misc.Unsafe unsafe, long size) {
    return unsafe.allocateMemory(size);
  }

  static void nativeMemory() {
    sun.misc.Unsafe unsafe;
    try {
      java.lang.reflect.Field field = sun.misc.Unsafe.class.getDeclaredField("theUnsafe");
      field.setAccessible(true);
      unsafe = (sun.misc.Unsafe) field.get(null);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
    // Done early: what is allocated in the last tenth of a recording is not called a leak.
    for (int i = 0; i < 400 && goesOn(); i++) {
      long size = 10_000 + 100 * (i % 50);
      if (i % 4 == 0) {
        leaked.add(mallocLeaked(unsafe, size));
        add("leaked_bytes", size);
        add("leaked_blocks", 1);
      } else {
        long address = mallocFreed(unsafe, size);
        unsafe.freeMemory(address);
        add("freed_bytes", size);
        add("freed_blocks", 1);
      }
      if (i % 10 == 0) sleep(1);
    }
    while (goesOn()) sleep(20);
  }

  static void directBuffers() {
    List<java.nio.ByteBuffer> buffers = new ArrayList<>();
    while (goesOn()) {
      buffers.add(java.nio.ByteBuffer.allocateDirect(100_000));
      add("direct_bytes", 100_000);
      if (buffers.size() > 50) buffers.clear();
      sleep(10);
    }
  }

  // --- IO that waits: both ends are here, and one is slow.

  static void files() {
    Path pipe = folder.resolve("pipe");
    try {
      if (new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor() != 0) throw new IOException("mkfifo");
      Thread writer = start("file writer", () -> {
        try (FileOutputStream out = new FileOutputStream(pipe.toFile())) {
          while (goesOn()) {
            sleep(25);
            out.write(new byte[200_000]);
            add("file_written", 200_000);
          }
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      });
      try (FileInputStream in = new FileInputStream(pipe.toFile())) {
        byte[] bytes = new byte[300_000];
        int got;
        while ((got = in.read(bytes)) > 0) {
          add("file_read", got);
          sleep(12);
        }
      }
      writer.join();
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  static final int WRITTEN = 10_000_000; // more than the system keeps for one

  static void sockets() {
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      Thread peer = start("socket peer", () -> {
        try (Socket socket = server.accept()) {
          byte[] bytes = new byte[WRITTEN];
          while (true) {
            sleep(40);
            if (socket.getInputStream().readNBytes(bytes, 0, WRITTEN) < WRITTEN) break;
            sleep(40);
            socket.getOutputStream().write(new byte[100]);
          }
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      });
      try (Socket socket = new Socket(server.getInetAddress(), server.getLocalPort())) {
        while (goesOn()) {
          socket.getOutputStream().write(new byte[WRITTEN]);
          add("socket_written", WRITTEN);
          add("socket_read", socket.getInputStream().readNBytes(100).length);
        }
      }
      peer.join();
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  static void fail(int number) {
    throw new IllegalStateException("number " + number);
  }

  static void exceptions() {
    for (int i = 0; goesOn(); i++) {
      try {
        fail(i);
      } catch (IllegalStateException e) {
        add("thrown", 1);
      }
      sleep(2);
    }
  }

  /** What a tracer is told to make a span of. */
  static void serve() {
    sink = burnUntil(threads.getCurrentThreadCpuTime() + 8_000_000, sink);
    sleep(2);
  }

  static void requests() {
    while (goesOn()) {
      serve();
      add("requests", 1);
    }
  }

  /** Threads that come and go. */
  static void comers() {
    while (goesOn()) {
      start("short-lived", () -> sink++);
      add("threads_started", 1);
      sleep(20);
    }
  }

  static Thread start(String name, Runnable work) {
    Thread thread = new Thread(() -> {
      long begin = System.nanoTime();
      work.run();
      String fact = "thread." + name.replace(' ', '_');
      add(fact + ".wall_ns", System.nanoTime() - begin);
      add(fact + ".cpu_ns", threads.getCurrentThreadCpuTime());
      add(fact + ".allocated", threads.getThreadAllocatedBytes(Thread.currentThread().getId()));
    }, name);
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  public static void main(String[] arguments) throws Exception {
    Path report = Path.of(arguments[0]);
    folder = Files.createTempDirectory(report.toAbsolutePath().getParent(), "load");
    long begin = System.nanoTime();
    end = begin + (long) (Double.parseDouble(arguments[1]) * 1e9);
    List<Thread> running = new ArrayList<>();
    for (String part : Arrays.asList(arguments).subList(2, arguments.length)) {
      switch (part) {
        case "cpu": running.add(start("burner", JvmLoad::burn)); break;
        case "sleep":
          running.add(start("sleeper", () -> sleep((end - System.nanoTime()) / 1_000_000)));
          running.add(start("parker", () -> LockSupport.parkNanos(end - System.nanoTime())));
          break;
        case "heap": running.add(start("allocator", JvmLoad::allocate)); break;
        case "lock":
          running.add(start("holder", JvmLoad::holdLocks));
          running.add(start("waiter", JvmLoad::wantLocks));
          break;
        case "native": running.add(start("native", JvmLoad::nativeMemory)); break;
        case "direct": running.add(start("direct", JvmLoad::directBuffers)); break;
        case "io":
          running.add(start("file reader", JvmLoad::files));
          running.add(start("socket client", JvmLoad::sockets));
          break;
        case "throw": running.add(start("thrower", JvmLoad::exceptions)); break;
        case "serve": running.add(start("server", JvmLoad::requests)); break;
        case "threads": running.add(start("comers", JvmLoad::comers)); break;
        default: throw new IllegalArgumentException(part);
      }
    }
    for (Thread thread : running) thread.join();
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    add("process_cpu_ns", system.getProcessCpuTime());
    add("load_ns", System.nanoTime() - begin);
    add("pid", ProcessHandle.current().pid());
    StringBuilder text = new StringBuilder();
    synchronized (facts) {
      for (Map.Entry<String, AtomicLong> fact : facts.entrySet()) text.append(fact.getKey() + " " + fact.getValue() + "\n");
    }
    Files.writeString(report, text);
  }
}

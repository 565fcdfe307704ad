import io.pyroscope.labels.v2.LabelsSet;
import io.pyroscope.labels.v2.Pyroscope.LabelsWrapper;

/** JvmLoad, beside a thread that works for two customers by Pyroscope's labels: three quarters of its time for one. */
public class LabelledLoad {
  static void work(String customer, long nanoseconds) {
    long begin = JvmLoad.threads.getCurrentThreadCpuTime();
    LabelsWrapper.run(new LabelsSet("customer", customer, "kind", "work"), () -> {
      JvmLoad.sink = JvmLoad.burnUntil(begin + nanoseconds, JvmLoad.sink);
    });
    JvmLoad.add(customer + "_ns", JvmLoad.threads.getCurrentThreadCpuTime() - begin);
  }

  public static void main(String[] arguments) throws Exception {
    JvmLoad.start("labelled", () -> {
      while (JvmLoad.end == 0) JvmLoad.sleep(1);
      while (JvmLoad.goesOn()) {
        work("large", 15_000_000);
        work("small", 5_000_000);
      }
    });
    JvmLoad.main(arguments);
  }
}

// Known shares: `heavy` takes three quarters of the time and `light` one, in the first thread and in another, below nine
// frames of a generic method of a trait object, a closure and sort's own calls. Each thread uses so many seconds of CPU
// time, however busy the machine is.
// Usage: rust SECONDS
use std::hint::black_box;
use std::thread;

mod work {
    use std::hint::black_box;

    #[inline(never)]
    fn spin(rounds: u64) -> u64 {
        let mut hash = rounds;
        for _ in 0..rounds {
            hash = black_box(hash.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
        }
        hash
    }

    #[inline(never)]
    pub fn heavy() -> u64 {
        black_box(spin(30000)) + 1
    }

    #[inline(never)]
    pub fn light() -> u64 {
        black_box(spin(10000)) + 1
    }
}

trait Step {
    fn level(&self, depth: u32) -> u64;
}

struct Generic<T>(T);

impl<T: Fn() -> u64> Step for Generic<T> {
    #[inline(never)]
    fn level(&self, depth: u32) -> u64 {
        let below: &dyn Step = black_box(self);
        black_box(if depth == 0 { (self.0)() } else { below.level(depth - 1) }) + 1
    }
}

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}
extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
}
const CLOCK_THREAD_CPUTIME_ID: i32 = 3;

fn used() -> f64 {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.seconds as f64 + time.nanoseconds as f64 * 1e-9
}

/// Through the standard library's sort, back into code of ours.
#[inline(never)]
fn sorted(step: &dyn Step) -> u64 {
    let mut numbers = [3u64, 1, 2];
    numbers.sort_by_key(|number| step.level(8) ^ number);
    black_box(numbers[0]) + 1
}

fn run(seconds: f64) {
    let step = Generic(|| work::heavy() + work::light());
    while used() < seconds {
        black_box(sorted(&step));
    }
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2.0);
    let other = thread::Builder::new().name("other".into()).spawn(move || run(seconds)).unwrap();
    run(seconds);
    other.join().unwrap();
}

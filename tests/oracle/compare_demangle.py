#!/usr/bin/env python3
"""Our demangling against other people's, on the symbols of this machine's libraries and of a Rust program.

C++ against c++filt, Rust against rustfilt (built by cargo the first time). Whatever is not here is left out, with the
reason on stderr; nothing at all to compare is a skip (77).
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

LIBRARIES = ["/usr/lib/*/libLLVM-1*.so.1", "/usr/lib/*/libstdc++.so.6", "/usr/lib/*/libicui18n.so.*"]
# std::declval's arguments are printed in full by newer ones only.
DIFFERENT_BY_VERSION = re.compile(r"decltype|declval|\[abi:|requires|\{lambda|'lambda")

RUST = """
use std::collections::HashMap;
use std::fmt::Debug;
trait Shape { fn area(&self) -> f64; }
struct Square<const N: usize>(f64);
impl<const N: usize> Shape for Square<N> {
    #[inline(never)] fn area(&self) -> f64 { self.0 * N as f64 }
}
#[inline(never)] fn dynamic(x: &dyn Shape, y: Box<dyn Fn(&[u8; 4], &mut i64) + Send>) -> f64 {
    let mut v = 4; y(&[1, 2, 3, 4], &mut v); x.area() + v as f64
}
#[inline(never)] fn generic<T: Debug + Clone, U>(t: T, _u: U) -> Vec<T> { vec![t.clone(), t] }
extern "C" fn callback(x: *const u8, y: *mut i16) -> i32 { x as usize as i32 + y as usize as i32 }
#[inline(never)] fn takes(f: extern "C" fn(*const u8, *mut i16) -> i32) -> i32 {
    f(std::ptr::null(), std::ptr::null_mut())
}
#[inline(never)] fn constant<const C: char, const B: bool, const I: i8>() -> (char, bool, i8) { (C, B, I) }
mod m\u00f3dulo { #[inline(never)] pub fn funci\u00f3n(x: u32) -> u32 { x.wrapping_mul(7) } }
fn main() {
    let mut m: HashMap<String, Vec<Option<&'static str>>> = HashMap::new();
    m.entry("a".into()).or_default().push(Some("b"));
    println!("{:?} {}", m, dynamic(&Square::<7>(2.0), Box::new(|a, b| *b += a[0] as i64)));
    println!("{:?} {:?}", generic((1u8, "x"), |x: i32| x + 1), generic([Some(1.5f32); 3], main as fn()));
    println!("{} {:?} {}", takes(callback), constant::<'\\'', true, -5>(), m\u00f3dulo::funci\u00f3n(3));
    std::thread::spawn(|| println!("t")).join().unwrap();
}
"""


def skip(why):
    print(why, file=sys.stderr)


def symbols(path, dynamic):
    out = subprocess.run(["nm", *(["-D"] if dynamic else []), "--defined-only", str(path)],
                         capture_output=True, text=True, check=False).stdout
    return sorted({line.split()[-1].split("@")[0] for line in out.splitlines() if line.split()})


def through(command, names):
    done = subprocess.run(command, input="\n".join(names) + "\n", capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def compare(what, ours, theirs, names, tolerated=None):
    mine, other = through(ours, names), through(theirs, names)
    if len(mine) != len(names) or len(other) != len(names):
        print(f"{what}: {len(names)} names, {len(mine)} and {len(other)} answers")
        return False
    different = [(n, a, b) for n, a, b in zip(names, mine, other)
                 if a != b and not (tolerated and tolerated.search(b))]
    print(f"{what}: {len(names)} names, {len(different)} differ")
    for name, a, b in different[:5]:
        print(f"  {name}\n    ours   {a}\n    theirs {b}")
    return not different


def rust_programs(work, rustc):
    (work / "names.rs").write_text(RUST, encoding="utf-8")
    made = []
    for version in ("v0", "legacy"):
        done = subprocess.run([rustc, "-O", "--edition", "2021", "-Zunstable-options",
                               f"-Csymbol-mangling-version={version}", "-o", str(work / version),
                               str(work / "names.rs")],
                              env={**__import__("os").environ, "RUSTC_BOOTSTRAP": "1"},
                              capture_output=True, text=True, check=False)
        if done.returncode == 0:
            made.append(work / version)
        else:
            skip(f"rustc makes no {version} names: {done.stderr.strip().splitlines()[-1:]}")
    return made


def tool(name):
    home = pathlib.Path.home() / ".cargo" / "bin" / name
    return shutil.which(name) or (str(home) if home.exists() else None)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    fine, compared = True, 0

    if shutil.which("nm") and shutil.which("c++filt"):
        for pattern in LIBRARIES:
            for path in sorted(pathlib.Path("/").glob(pattern[1:]))[:1]:
                # c++filt itself gives up on longer ones.
                names = [n for n in symbols(path, True) if n.startswith("_Z") and len(n) < 1000]
                if names:
                    compared += 1
                    fine &= compare(path.name, [args.ours], ["c++filt", "-i"], names, DIFFERENT_BY_VERSION)
    else:
        skip("no nm or c++filt: C++ is not compared")

    rustc, cargo = tool("rustc"), tool("cargo")
    rustfilt = args.work / "bin" / "rustfilt"
    if rustc and cargo and not rustfilt.exists():
        subprocess.run([cargo, "install", "rustfilt", "--version", "0.2.2", "--root", str(args.work)],
                       capture_output=True, check=False)
    if rustc and rustfilt.exists():
        for program in rust_programs(args.work, rustc):
            names = [n for n in symbols(program, False)
                     if n.startswith("_R") or re.search(r"17h[0-9a-f]{16}E", n)]
            if names:
                compared += 1
                fine &= compare(f"Rust {program.name}", [args.ours], [str(rustfilt)], names)
    else:
        skip("no rustc, or rustfilt cannot be fetched: Rust is not compared")
    if compared == 0:
        return 77
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())

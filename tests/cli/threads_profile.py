"""Writes threads.pb: two threads of nginx and one of cron, 100 samples a second, CPU time in nanoseconds."""

def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


strings = [""]


def text(value):
    if value not in strings:
        strings.append(value)
    return strings.index(value)


def kind(name, unit):
    return number(1, text(name)) + number(2, text(unit))


body = block(1, kind("samples", "count")) + block(1, kind("cpu", "nanoseconds"))
body += block(11, kind("cpu", "nanoseconds")) + number(12, 10_000_000)
modules = ["/usr/sbin/nginx", "/usr/lib/libc.so.6", "[kernel.kallsyms]"]
for i, path in enumerate(modules, 1):
    body += block(3, number(1, i) + number(2, i << 20) + number(3, (i + 1) << 20) + number(5, text(path)))
frames = [("main", 1), ("read", 2), ("vfs_read", 3), (None, 1), (None, 0)]
for i, (name, module) in enumerate(frames, 1):
    location = number(1, i) + number(3, (module << 20) + i)
    if module:
        location += number(2, module)
    if name:
        location += block(4, number(1, i))
        body += block(5, number(1, i) + number(2, text(name)))
    body += block(4, location)
for process, pid, thread, tid, stack, count in (
    ("nginx", 7, "nginx", 7, (3, 2, 1), 1),
    ("nginx", 7, "worker", 8, (2, 1, 5), 2),
    ("nginx", 7, "worker", 9, (4, 1, 5), 4),
    ("cron", 12, "cron", 12, (4, 5), 8),
):
    sample = block(1, b"".join(map(varint, stack))) + block(2, varint(count) + varint(count * 10_000_000))
    for key, value in (("process", process), ("thread", thread)):
        sample += block(3, number(1, text(key)) + number(2, text(value)))
    for key, value in (("pid", pid), ("tid", tid)):
        sample += block(3, number(1, text(key)) + number(3, value))
    body += block(2, sample)
body += b"".join(block(6, s.encode()) for s in strings)
with open("threads.pb", "wb") as out:
    out.write(body)

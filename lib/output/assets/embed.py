#!/usr/bin/env python3
"""Writes a C++ source that holds the page's template, style and script as byte arrays.

Usage: embed.py ASSETS_DIR OUT.cpp DEPFILE
"""

import pathlib
import sys


def array(name, data):
    rows = [", ".join(str(byte) for byte in data[i : i + 24]) for i in range(0, len(data), 24)]
    body = ",\n    ".join(rows)
    return (
        f"static const unsigned char {name}_bytes[] = {{\n    {body}}};\n"
        f"const std::string_view {name}{{reinterpret_cast<const char *>({name}_bytes), sizeof {name}_bytes}};\n"
    )


def main():
    folder, out, depfile = (pathlib.Path(word) for word in sys.argv[1:])
    parts = [line.strip() for line in (folder / "order.txt").read_text().splitlines() if line.strip()]
    read = {name: (folder / name).read_bytes() for name in parts}
    css = b"".join(data for name, data in read.items() if name.endswith(".css"))
    js = b"".join(data for name, data in read.items() if name.endswith(".js"))
    template = (folder / "flame.html").read_bytes()
    if b"</script" in js.lower():
        sys.exit("the script would end its own element")
    for placeholder in (b"@TITLE@", b"/*@CSS@*/", b"/*@JS@*/", b"@DATA@"):
        if template.count(placeholder) != 1:
            sys.exit(f"flame.html must hold {placeholder.decode()} once")
    out.write_text(
        '#include "output/page.hpp"\n\nnamespace profcore::page {\n'
        + array("html_template", template)
        + array("style", css)
        + array("script", js)
        + "} // namespace profcore::page\n"
    )
    inputs = [folder / "order.txt", folder / "flame.html"] + [folder / name for name in parts]
    depfile.write_text(f"{out}: {' '.join(str(path) for path in inputs)}\n")


main()

"""Compares the layouts of public structs in two files of abidw: layouts.py BASELINE NEW

abidiff can suppress the growth of a struct, but then it also lets pass what was put in the middle. The rule here: every
member of the baseline is where it was and what it was. A struct that starts with `size` may get members from its
`reserved` on, which may shrink or go, and may grow; any other struct stays as large as it is.
"""

import sys
import xml.etree.ElementTree as xml


class Layouts:
    def __init__(self, path):
        tree = xml.parse(path)
        self.types = {node.get("id"): node for node in tree.iter() if node.get("id")}
        self.structs = {}
        for node in tree.iter("class-decl"):
            if node.get("is-declaration-only") == "yes" or not node.get("name", "").startswith("profcore_"):
                continue
            members = {}
            for member in node.findall("data-member"):
                variable = member.find("var-decl")
                members[variable.get("name")] = (
                    int(member.get("layout-offset-in-bits")) // 8,
                    self.describe(variable.get("type-id")),
                )
            self.structs[node.get("name")] = (int(node.get("size-in-bits")) // 8, members)

    def describe(self, type_id):
        node = self.types[type_id]
        if node.tag == "typedef-decl" or node.tag == "type-decl" or node.tag == "class-decl":
            return node.get("name")
        if node.tag == "pointer-type-def":
            return self.describe(node.get("type-id")) + "*"
        if node.tag == "qualified-type-def":
            return "const " + self.describe(node.get("type-id"))
        if node.tag == "array-type-def":
            lengths = "".join(f"[{part.get('length')}]" for part in node.findall("subrange"))
            return self.describe(node.get("type-id")) + lengths
        return node.tag


def check_struct(name, old, new):
    old_size, old_members = old
    new_size, new_members = new
    may_grow = next(iter(old_members)) == "size" and "reserved" in old_members
    free_from = old_members["reserved"][0] if may_grow else old_size
    if new_size < old_size or (new_size > old_size and not may_grow):
        yield f"{name}: {old_size} bytes before, {new_size} now"
    for member, (offset, kind) in old_members.items():
        if member == "reserved" and may_grow:
            continue
        if member not in new_members:
            yield f"{name}.{member} is gone"
        elif new_members[member] != (offset, kind):
            yield f"{name}.{member}: {kind} at {offset} before, {new_members[member][1]} at {new_members[member][0]} now"
    for member, (offset, kind) in new_members.items():
        if member not in old_members and offset < free_from:
            yield f"{name}.{member}: put in at {offset}, among what older programs know"


def main():
    old, new = Layouts(sys.argv[1]).structs, Layouts(sys.argv[2]).structs
    problems = [] if old else ["the baseline has no structs"]
    for name in old:
        problems += check_struct(name, old[name], new[name]) if name in new else [f"{name} is gone"]
    print("\n".join(problems) if problems else f"{len(old)} structs are as they were, or grew at their end")
    sys.exit(1 if problems else 0)


main()

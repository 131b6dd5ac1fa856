"""Holds what the plugin reported against what Glance says. Run by demo.sh.

demo_verdict.py id REPORT                            print the image's ID
demo_verdict.py verdict REPORT GUEST IMAGE SHA512    print findings and verdict

REPORT is the post-processor's report, GUEST that of the provisioner's last
run, IMAGE what "openstack image show -f json" says, SHA512 a file with the
sum of the disk that was uploaded. The last line is the verdict; exit status 0
means that everything is as it should be.
"""
import json
import sys

WANTED = {
    "auto_disk_config": "True",
    "cloud_init_installed": "true",
    "os_distro": "debian",
    "architecture": "x86_64",
}
PASSING = ("met", "not-applicable")


def main():
    verb, *paths = sys.argv[1:]
    if verb == "id":
        print(load(paths[0])["published"][0]["id"])
        return 0
    report, guest, image = (load(path) for path in paths[:3])
    with open(paths[3], encoding="ascii") as file:
        digest = file.read().strip()
    sides = by_side(report["findings"])
    print_findings(sides)
    problems = [
        *unmet(sides),
        *second_run(guest),
        *glance(image, digest),
    ]
    for problem in problems:
        print("NOT AS IT SHOULD BE:", problem)
    if problems:
        print(f"{len(problems)} of the demo's claims do not hold, the first: {problems[0]}")
        return 1
    print(f"Image {image['id']} is {image['status']} in Glance: " + ", ".join(
        f"{name}={value(image, name)}" for name in WANTED
    ) + "; every required finding is met from both the guest and the disk side.")
    return 0


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def by_side(findings):
    sides = {}
    for finding in findings:
        sides.setdefault(finding["id"], {})[finding["side"]] = finding
    return sides


def print_findings(sides):
    print(f"{'REQUIREMENT':17} {'LEVEL':14} {'GUEST':15} DISK")
    for name, found in sides.items():
        level = next(iter(found.values()))["level"]
        guest, disk = (found[side]["verdict"] if side in found else "-" for side in ("guest", "disk"))
        print(f"{name:17} {level:14} {guest:15} {disk}")


def unmet(sides):
    """A required finding must pass from both sides; the file itself, which is
    no concern of a guest, from the disk side."""
    for name, found in sides.items():
        for side in ("guest", "disk"):
            if side not in found:
                if (name, side) != ("image-format", "guest"):
                    yield f"{name} was not looked at from the {side} side"
            elif found[side]["level"] == "required" and found[side]["verdict"] not in PASSING:
                yield f"{name} is {found[side]['verdict']} from the {side} side"
    if not sides:
        yield "the report has no findings"


def second_run(guest):
    if guest["mode"] != "mend":
        yield f"the second run of the provisioner had mode {guest['mode']}, not mend"
    if guest["changes"]:
        yield f"the second run of the provisioner changed {len(guest['changes'])} things"
    else:
        print("The provisioner's second run changed nothing.")


def glance(image, digest):
    if image["status"] != "active":
        yield f"the image is {image['status']} in Glance, not active"
    for name, wanted in WANTED.items():
        if value(image, name) != wanted:
            yield f"Glance has {name}={value(image, name)}, not {wanted}"
    algorithm, stored = value(image, "os_hash_algo"), value(image, "os_hash_value")
    print(f"{algorithm} of Glance:   {stored}")
    print(f"sha512 of the disk: {digest}")
    if algorithm != "sha512" or stored != digest:
        yield "Glance's hash is not the disk's SHA-512"


def value(image, name):
    """A property of the image, which the client shows apart."""
    found = image["properties"].get(name)
    return None if found is None else str(found)


if __name__ == "__main__":
    sys.exit(main())

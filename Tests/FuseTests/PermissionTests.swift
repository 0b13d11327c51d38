import CLinux
import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

/// The caller that is not root.
private let user: (uid: UInt32, groups: [UInt32]) = (1_000, [2_000, 3_000])

@Suite("Owners and permissions on a mount", .requiresFuse, .requiresProgram("setpriv"), .requiresProgram("setfacl"))
struct PermissionTests {
  @Test("what a user makes belongs to the user and his group, with his umask")
  func ownership() throws {
    let mounted = try MountedDirectory()
    let script = """
      cd '\(mounted.path)' && umask 027 && echo x > f && mkdir d && ln -s f l && mkfifo p && ln f h && \
      stat -c '%n %u %g %a' f d l p h
      """
    let made = try Program.shell(script, user: user)
    let lines = ["f 1000 1000 640", "d 1000 1000 750", "l 1000 1000 777", "p 1000 1000 640", "h 1000 1000 640"]
    #expect(made.output == lines.joined(separator: "\n"))
    #expect(try Files.status(mounted.beside("d")).st_uid == 1_000)
  }

  @Test("a user is refused what the modes refuse, and has what his supplementary groups have")
  func access() throws {
    let mounted = try MountedDirectory()
    try Files.write("root's", mounted.at("private"), mode: 0o600)
    try Files.makeDirectory(mounted.at("team"))
    try Files.changeOwner(mounted.at("team"), 0, 3_000)
    try Files.changeMode(mounted.at("team"), 0o770)
    try Files.makeDirectory(mounted.at("closed"), mode: 0o700)
    #expect(try Program.shell("cat '\(mounted.at("private"))'", user: user).output.contains("Permission denied"))
    #expect(try Program.shell("ls '\(mounted.at("closed"))'", user: user).status != 0)
    #expect(try Program.shell("echo x > '\(mounted.at("closed/f"))'", user: user).status != 0)
    let team = "cd '\(mounted.at("team"))' && echo x > f && mkdir d && ln -s f l && mv f g && rm g && rmdir d && rm l"
    let done = try Program.shell(team, user: user)
    #expect(done.status == 0, "\(done.output)")
    #expect(try Program.shell(team, user: (1_001, [2_000])).status != 0)
  }

  @Test("in a setgid directory new files get its group, and new directories its bit as well")
  func setgidDirectory() throws {
    let mounted = try MountedDirectory()
    try Files.makeDirectory(mounted.at("s"))
    try Files.changeOwner(mounted.at("s"), 0, 3_000)
    try Files.changeMode(mounted.at("s"), 0o2777)
    let made = try Program.shell(
      "cd '\(mounted.at("s"))' && umask 022 && echo x > f && mkdir d && stat -c '%n %u %g %a' f d", user: user)
    #expect(made.output == "f 1000 3000 644\nd 1000 3000 2755")
  }

  @Test("a write by somebody else clears setuid and setgid, a write by root does not")
  func setuidCleared() throws {
    let mounted = try MountedDirectory()
    for mode: UInt32 in [0o6777, 0o4777, 0o2777] {
      try Files.write("x", mounted.at("f"))
      try Files.changeMode(mounted.at("f"), mode)
      try Files.writeAt(Files.open(mounted.at("f"), O_WRONLY), "y", 0)
      #expect(try Files.mode(mounted.beside("f")) == mode)
      #expect(try Program.shell("echo z >> '\(mounted.at("f"))'", user: user).status == 0)
      #expect(try Files.mode(mounted.at("f")) == 0o777, "append to \(String(mode, radix: 8))")
      #expect(try Files.mode(mounted.beside("f")) == 0o777)
    }
  }

  @Test("truncation and a change of owner by somebody else clear setuid")
  func setuidClearedOtherwise() throws {
    let mounted = try MountedDirectory()
    try Files.write("xyz", mounted.at("f"))
    try Files.changeMode(mounted.at("f"), 0o4777)
    #expect(try Program.shell("truncate -s 1 '\(mounted.at("f"))'", user: user).status == 0)
    #expect(try Files.mode(mounted.beside("f")) == 0o777)
    try Files.changeMode(mounted.at("f"), 0o4777)
    #expect(try Program.shell(": > '\(mounted.at("f"))'", user: user).status == 0)
    #expect(try Files.mode(mounted.beside("f")) == 0o777)
    try Files.changeOwner(mounted.at("f"), 1_000, 1_000)
    try Files.changeMode(mounted.at("f"), 0o6755)
    #expect(try Program.shell("chgrp 3000 '\(mounted.at("f"))'", user: user).status == 0)
    #expect(try Files.mode(mounted.beside("f")) == 0o755 && Files.status(mounted.beside("f")).st_gid == 3_000)
  }

  @Test("setuid that somebody else's change of content takes away is seen to be gone at once")
  func setuidSeenGone() throws {
    let mounted = try MountedDirectory(["-o", "attrTimeout=3600"])
    // stat(1) asks for the mode alone, which the kernel keeps over writes.
    let changes = [
      "printf z | dd of=f conv=notrunc status=none", "printf z >> f", "fallocate -l 100 f", "fallocate -p -l 4096 f",
      "dd if=/dev/zero of=f oflag=direct bs=4096 count=1 conv=notrunc status=none",
    ]
    for change in changes {
      try Files.write("content", mounted.at("f"))
      try Files.changeMode(mounted.at("f"), 0o6777)
      let script = "cd '\(mounted.path)' && stat -c %a f && \(change) && stat -c %a f"
      #expect(try Program.shell(script, user: user).output == "6777\n777", "\(change)")
      #expect(try Files.mode(mounted.beside("f")) == 0o777, "\(change)")
    }
  }

  @Test("root's fallocate leaves setuid and setgid, and a stranger's takes setgid that the group may not execute")
  func setuidAndFallocate() throws {
    let mounted = try MountedDirectory()
    try Files.write("content", mounted.at("f"))
    let allocate = "cd '\(mounted.path)' && fallocate -l 100 f && stat -c %a f"
    for (mode, user, left) in [
      (0o6777, nil, "6777"), (0o6766, nil, "6766"), (0o6766, (1_000, []), "766"), (0o6766, (1_000, [3_000]), "2766"),
    ] as [(UInt32, (uid: UInt32, groups: [UInt32])?, String)] {
      try Files.changeOwner(mounted.at("f"), 0, 3_000)
      try Files.changeMode(mounted.at("f"), mode)
      #expect(try Program.shell(allocate, user: user).output == left)
    }
  }

  @Test("setgid falls when an ACL is set by an owner who is not of the group, and stays when he is")
  func setgidAndAccessLists() throws {
    let mounted = try MountedDirectory()
    try Files.write("content", mounted.at("f"))
    try Files.makeDirectory(mounted.at("d"))
    for name in ["f", "d"] {
      try Files.changeOwner(mounted.at(name), 1_000, 3_000)
      for (user, left) in [((1_000, [3_000]), "2777"), ((1_000, [2_000]), "777")] as [((UInt32, [UInt32]), String)] {
        try Files.changeMode(mounted.at(name), 0o2755)
        let script = "cd '\(mounted.path)' && setfacl -m u::rwx,g::rwx,o::rwx \(name) && stat -c %a \(name)"
        #expect(try Program.shell(script, user: (uid: user.0, groups: user.1)).output == left, "\(name)")
      }
    }
  }

  @Test("only owners change modes, and setgid falls when the group is not theirs")
  func changingModes() throws {
    let mounted = try MountedDirectory()
    try Files.write("x", mounted.at("f"))
    #expect(try Program.shell("chmod 777 '\(mounted.at("f"))'", user: user).status != 0)
    try Files.changeOwner(mounted.at("f"), 1_000, 4_000)
    #expect(try Program.shell("chmod 2755 '\(mounted.at("f"))'", user: user).status == 0)
    #expect(try Files.mode(mounted.beside("f")) == 0o755)
    #expect(try Program.shell("chown 0 '\(mounted.at("f"))'", user: user).status != 0)
    #expect(try Program.shell("chgrp 5000 '\(mounted.at("f"))'", user: user).status != 0)
  }

  @Test("in a sticky directory nobody removes what others own")
  func sticky() throws {
    let mounted = try MountedDirectory()
    try Files.makeDirectory(mounted.at("t"))
    try Files.changeMode(mounted.at("t"), 0o1777)
    try Files.write("x", mounted.at("t/f"))
    #expect(try Program.shell("rm -f '\(mounted.at("t/f"))'", user: user).status != 0)
    #expect(try Program.shell("mv '\(mounted.at("t/f"))' '\(mounted.at("t/g"))'", user: user).status != 0)
    #expect(
      try Program.shell("echo x > '\(mounted.at("t/own"))' && rm '\(mounted.at("t/own"))'", user: user).status == 0)
  }

  @Test("ACLs are kept, shown and obeyed")
  func accessLists() throws {
    let mounted = try MountedDirectory()
    try Files.write("x", mounted.at("f"), mode: 0o600)
    #expect(try Program.shell("setfacl -m u:1000:r,g:3000:rw '\(mounted.at("f"))'").status == 0)
    let shown = try Program.shell("getfacl -cpn '\(mounted.at("f"))'").output
    #expect(shown == "user::rw-\nuser:1000:r--\ngroup::---\ngroup:3000:rw-\nmask::rw-\nother::---")
    #expect(try Program.shell("getfacl -cpn '\(mounted.beside("f"))'").output == shown)
    #expect(try Program.shell("cat '\(mounted.at("f"))'", user: (1_000, [])).output == "x")
    #expect(try Program.shell("echo y > '\(mounted.at("f"))'", user: (1_000, [])).status != 0)
    #expect(try Program.shell("echo y > '\(mounted.at("f"))'", user: (1_002, [3_000])).status == 0)
    #expect(try Program.shell("cat '\(mounted.at("f"))'", user: (1_002, [])).status != 0)
    #expect(
      try Program.shell("setfacl -b '\(mounted.at("f"))' && getfacl -cpn '\(mounted.at("f"))' | grep -c :").output
        == "3")
  }

  @Test("a default ACL replaces the umask for what is made beneath it, and is inherited")
  func defaultAccessLists() throws {
    let mounted = try MountedDirectory()
    try Files.makeDirectory(mounted.at("d"))
    try Files.changeMode(mounted.at("d"), 0o777)
    #expect(try Program.shell("setfacl -d -m u::rwx,g::rwx,o::rx,u:1000:rwx '\(mounted.at("d"))'").status == 0)
    #expect(
      try Program.shell("cd '\(mounted.at("d"))' && umask 077 && touch f && mkdir e", user: (1_001, [])).status == 0)
    #expect(try Program.shell("getfacl -cpnE '\(mounted.at("d/f"))' | head -2").output == "user::rw-\nuser:1000:rwx")
    #expect(try Program.shell("getfacl -dcpn '\(mounted.at("d/e"))' | grep 1000").output == "user:1000:rwx")
    #expect(try Files.mode(mounted.beside("d/f")) & 0o007 == 0o004)
  }

  @Test("extended attributes are set, replaced, listed and removed, with the kernel's errors")
  func extendedAttributes() throws {
    let mounted = try MountedDirectory()
    try Files.write("x", mounted.at("f"))
    let file = "'\(mounted.at("f"))'"
    #expect(
      try Program.shell(
        "setfattr -n user.a -v 1 \(file) && setfattr -n user.b \(file) && setfattr -n user.a -v 22 \(file)"
      ).status == 0)
    #expect(
      try Program.shell("getfattr --absolute-names -d '\(mounted.beside("f"))' | tail -n +2").output
        == "user.a=\"22\"\nuser.b=\"\"")
    #expect(
      try Program.shell("getfattr --absolute-names -d \(file) | tail -n +2").output == "user.a=\"22\"\nuser.b=\"\"")
    #expect(
      try Program.shell("setfattr -x user.a \(file) && getfattr -n user.a \(file)").output.contains("No such attribute")
    )
    #expect(try Program.shell("setfattr -n user.c -v $(head -c 3000 /dev/zero | tr '\\0' x) \(file)").status == 0)
    #expect(try Program.shell("getfattr --absolute-names --only-values -n user.c \(file) | wc -c").output == "3000")
    #expect(try Program.shell("setfattr -n trusted.t -v 1 \(file)", user: user).status != 0)
    #expect(try Program.shell("setfattr -n user.x -v 1 \(file)", user: user).output.contains("denied"))
  }

  @Test("uid, gid and umask of the options replace what the directory says")
  func presented() throws {
    let mounted = try MountedDirectory(["-o", "uid=1000,gid=1001,umask=027"])
    try Files.write("x", mounted.beside("f"), mode: 0o666)
    try Files.changeMode(mounted.beside("f"), 0o666)
    let status = try Files.status(mounted.at("f"))
    #expect(status.st_uid == 1_000 && status.st_gid == 1_001 && status.st_mode & 0o777 == 0o640)
    #expect(try Program.shell("echo y > '\(mounted.at("f"))'", user: (1_000, [])).status == 0)
    #expect(try Program.shell("cat '\(mounted.at("f"))'", user: (1_002, [1_001])).output == "y")
    #expect(try Program.shell("cat '\(mounted.at("f"))'", user: (1_002, [])).status != 0)
  }
}

import SystemPackage
import UnderFileSystem

#if FAULT_INJECTION
  extension VolumeFileSystem {
    func reach(_ point: CrashPoint) throws(Errno) { try crashes.reach(point) }
  }
#else
  extension VolumeFileSystem {
    @inline(__always) func reach(_ point: CrashPoint) throws(Errno) {}
  }
#endif

import ArgumentParser
import Glibc

// A worker is started once per volume: it is dispatched before ArgumentParser is touched, whose pages it then never loads.
if CommandLine.arguments.dropFirst().first == WorkerProcess.argument {
  exit(WorkerProcess.run().rawValue)
}
AlluxioFuse.main()

import Glibc

// Flags are read here and not by ArgumentParser: it brings Foundation, a third of the program and of each worker's memory.
let arguments = Array(CommandLine.arguments.dropFirst())
switch arguments.first {
case WorkerProcess.argument where arguments.dropFirst().first == WorkerProcess.check:
  exit(WorkerProcess.sayBuild().rawValue)
case WorkerProcess.argument: exit(WorkerProcess.run().rawValue)
case "mount": exit(MountCommand.run(Array(arguments.dropFirst())))
default: exit(Usage.run(arguments))
}

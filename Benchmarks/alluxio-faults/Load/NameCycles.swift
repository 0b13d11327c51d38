import ApplicationLoad

/// Directories in which names come and go.
struct NameCycles: LoadTask {
  let folder: String
  var threads: Int { 2 }

  func run(_ answers: Answers, thread: Int, until isOver: EndFlag) {
    var cycle = NameCycle(directory: "\(folder)/names-\(thread)", answers) { pause() }
    while !isOver.isSet { cycle.run() }
  }
}

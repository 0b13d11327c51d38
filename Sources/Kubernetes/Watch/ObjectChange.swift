/// What a watch tells.
package enum ObjectChange<Object: KubernetesObject>: Sendable {
  /// All objects that there are: the first, and again whenever the server has forgotten what happened since. What is not
  /// among them is gone.
  case listed([Object])
  /// There, as this. Perhaps told before.
  case applied(Object)
  /// Gone; this is how it was.
  case removed(Object)
  /// An object whose shape this program does not know.
  case unreadable(name: String)
  /// The server could not be asked, and is being asked again.
  case interrupted(KubernetesError)
}

/// How a watch is kept.
package struct WatchPolicy: Sendable, Hashable {
  /// Objects per page of lists.
  package var pageSize: Int
  /// How long the server is asked to watch before the next request.
  package var duration: Duration
  /// Without a line, not even a bookmark, the connection is given up: the server may be gone without a word. The API server
  /// sends bookmarks about once a minute.
  package var silence: Duration

  package init(pageSize: Int = 500, duration: Duration = .seconds(290), silence: Duration = .seconds(150)) {
    self.pageSize = pageSize
    self.duration = duration
    self.silence = silence
  }
}

import Glibc
import Manifests

extension RunHistory {
  /// Reads a run folder, or what of it was copied: run.json and metrics.jsonl are enough, and one of
  /// them is.
  ///
  /// - Throws: ``ReportError`` for a folder that is no run and for a damaged file, `ManifestError` for
  ///   one that cannot be read.
  package init(folder: String) throws {
    self.init(path: withoutTrailingSlash(folder))
    let (configuration, metrics) = ("\(path)/run.json", "\(path)/metrics.jsonl")
    guard isFolder(path) else { throw noRun(found: exists(path) ? "no folder" : "nothing there") }
    guard exists(configuration) || exists(metrics) else { throw noRun(found: "neither") }
    if exists(configuration) {
      try readConfiguration(configuration)
    } else {
      notes.append("There is no run.json: the configuration is not known.")
    }
    let checkpoint = ["best", "last"].map { "\(path)/\($0)" }.first(where: isFolder)
    if labelNames.isEmpty, let checkpoint {
      labelNames = try labelNames(ofModel: checkpoint)
    }
    if exists(metrics) {
      try MetricsReader(path: metrics).read(into: &self)
    } else {
      notes.append("There is no metrics.jsonl: no step was logged.")
    }
    readHashes(checkpoint: checkpoint)
    state = try readState()
  }

  private func noRun(found: String) -> ReportError {
    ReportError(
      place: path, expected: "a run folder, with run.json and metrics.jsonl", found: found,
      remedy: "name the folder that was the --output of lockstep train")
  }

  private mutating func readConfiguration(_ file: String) throws {
    var (settings, labels) = ([] as [Setting], [] as [String])
    try readObject(ofFile: file) { key, json in
      if key == "label_names" {
        try json.readArray { labels.append(try $0.readString()) }
        settings.append(Setting(name: key, text: labels.joined(separator: ", ")))
      } else {
        settings.append(Setting(name: key, text: try settingText(&json)))
      }
    }
    self.settings = settings
    labelNames = labels
  }

  /// `id2label` of a checkpoint, for runs whose run.json has no label names.
  private func labelNames(ofModel folder: String) throws -> [String] {
    let file = "\(folder)/config.json"
    var names: [Int: String] = [:]
    guard exists(file) else { return [] }
    try readObject(ofFile: file) { key, json in
      guard key == "id2label" else { return try json.skipValue() }
      try json.readObject { id, json in
        let name = try json.readString()
        if let id = Int(id) { names[id] = name }
      }
    }
    return names.keys.sorted().compactMap { names[$0] }
  }

  /// The hashes that run.json has, and those that the manifest of a checkpoint lists.
  private mutating func readHashes(checkpoint: String?) {
    for (key, name) in [
      ("train_sha256", "training shards"), ("validation_sha256", "validation shards"),
      ("vocabulary_sha256", "vocabulary"),
    ] {
      if let hash = setting(key) { hashes.append(Hash(name: name, sha256: hash)) }
    }
    guard let checkpoint else { return }
    do {
      let folder = try SealedFolder(path: checkpoint)
      hashes.append(Hash(name: "checkpoint's manifest", sha256: sha256(of: folder.manifestBytes)))
      for file in folder.manifest.files
      where file.name == "config.json" || file.name.hasSuffix("tokenizer.json")
        || (file.name.hasPrefix("model") && file.name.hasSuffix(".safetensors"))
      { hashes.append(Hash(name: "checkpoint's \(file.name)", sha256: file.sha256)) }
    } catch {
      notes.append("The checkpoint's hashes are left out. \(error)")
    }
  }

  private func readState() throws -> State {
    if let holder = lockHolder() { return .running(holder: holder) }
    let file = "\(path)/last/trainer_state.json"
    guard exists(file) else {
      // Only run.json and metrics.jsonl were copied, or nothing is saved.
      return lastStep >= totalSteps ?? .max ? .finished(early: false) : .stopped
    }
    var (step, lastOfAll, isFinished, isEvaluationPending) = (0, Int.max, false, false)
    try readObject(ofFile: file) { key, json in
      switch key {
      case "global_step": step = try json.readInteger()
      case "max_steps": lastOfAll = try json.readInteger()
      case "is_finished": isFinished = try json.readBoolean()
      case "is_evaluation_pending": isEvaluationPending = try json.readBoolean()
      default: try json.skipValue()
      }
    }
    if isEvaluationPending { return .stopped }
    if step >= totalSteps ?? lastOfAll { return .finished(early: false) }
    // A run that was whole, and is to go on for longer, is finished in its checkpoint, too.
    return isFinished && step < lastOfAll ? .finished(early: true) : .stopped
  }

  /// Who holds RUN/lock; nil where nobody does.
  private func lockHolder() -> String? {
    let file = "\(path)/lock"
    let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // A shared lock for no longer than this call: a job that starts meanwhile tries again.
    guard flock(descriptor, LOCK_SH | LOCK_NB) != 0, errno == EWOULDBLOCK else { return nil }
    let text = (try? contents(ofFile: file, limit: 4096)) ?? []
    return String(decoding: text, as: UTF8.self)
  }
}

/// Reads an object that fills a file of at most 64 MiB.
///
/// - Throws: ``ReportError`` with the byte at which it is malformed.
private func readObject(
  ofFile file: String, _ member: (_ key: String, _ json: inout JSONReader) throws -> Void
) throws {
  var json = JSONReader(try contents(ofFile: file, limit: 64 << 20))
  do {
    try json.readObject(member)
    try json.readEnd()
  } catch let defect as JSONReader.Defect {
    throw ReportError(
      place: "\(file): byte \(defect.offset)", expected: defect.expected, found: defect.found,
      remedy: "copy the file again, or remove it to see the rest")
  }
}

/// A value of run.json as text: strings without quotes, arrays with commas, null as `none`.
private func settingText(_ json: inout JSONReader) throws -> String {
  let bytes = try json.readBytes()
  var again = JSONReader(Array(bytes))
  switch bytes.first {
  case UInt8(ascii: "\""): return try again.readString()
  case UInt8(ascii: "n"): return "none"
  case UInt8(ascii: "["):
    var elements: [String] = []
    try again.readArray { elements.append(try settingText(&$0)) }
    return elements.joined(separator: ", ")
  default: return String(decoding: bytes, as: UTF8.self)
  }
}

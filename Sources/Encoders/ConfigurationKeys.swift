/// Checked access to the keys of a config.json; every error names the file and the key.
struct ConfigurationKeys {
  let object: [String: JSONValue]
  let path: String

  func wrong(_ key: String, expected: String, remedy: String) -> EncoderError {
    EncoderError(
      "\(path): \(key)", expected: expected, found: object[key]?.text ?? "nothing", remedy: remedy)
  }

  func string(_ key: String) throws -> String {
    guard case .string(let value)? = object[key] else {
      throw wrong(key, expected: "a string", remedy: "add the key or fetch the file again")
    }
    return value
  }

  func optionalString(_ key: String) throws -> String? {
    switch object[key] {
    case nil, .null?: return nil
    case .string(let value)?: return value
    default:
      throw wrong(key, expected: "a string or null", remedy: "correct the key")
    }
  }

  /// A whole number that sizes a tensor. Without a default the key is required.
  /// The maxima keep every product of sizes, and the count of parameters, far from overflow.
  func size(
    _ key: String, default fallback: Int? = nil, minimum: Int = 1, maximum: Int = 1 << 16
  ) throws -> Int {
    if object[key] == nil, let fallback { return fallback }
    guard case .integer(let value)? = object[key], value >= minimum, value <= maximum else {
      throw wrong(
        key, expected: "a whole number from \(minimum) to \(maximum)",
        remedy: "add the key or fetch the file again")
    }
    return value
  }

  /// A number; null and a missing key stand for the default.
  func number(
    _ key: String, default fallback: Double, in range: ClosedRange<Double>
  ) throws -> Double {
    let value: Double
    switch object[key] {
    case nil, .null?: return fallback
    case .integer(let integer)?: value = Double(integer)
    case .number(let number)?: value = number
    default: throw wrong(key, expected: "a number", remedy: "correct the key")
    }
    guard range.contains(value) else {
      throw wrong(
        key, expected: "a number from \(range.lowerBound) to \(range.upperBound)",
        remedy: "correct the key")
    }
    return value
  }

  /// Refuses a variant of the architecture that lockstep does not compute.
  func require(_ key: String, oneOf allowed: [JSONValue], default fallback: JSONValue) throws {
    guard allowed.contains(object[key] ?? fallback) else {
      throw wrong(
        key, expected: allowed.map(\.text).joined(separator: " or "),
        remedy: "use a model of that kind")
    }
  }

  /// What the model in the folder was made for, by its class and problem type; multi-label
  /// classification for a bare encoder.
  ///
  /// A classifier whose problem type is null is taken for what Hugging Face's pipeline takes it: with one
  /// label regression, with several one of them.
  func task(_ architecture: Architecture, labels: Int) throws -> Task {
    var className = architecture.className + Task.multiLabel.classSuffix
    if case .array(let names)? = object["architectures"], case .string(let name)? = names.first {
      className = name
    }
    for task in Task.allCases
    where !task.isOfSequences && (architecture.pretrains || task != .pretraining) {
      if className.hasSuffix(task.classSuffix) { return task }
    }
    guard let type = try optionalString("problem_type") else {
      let isClassifier =
        object["architectures"] != nil && className.hasSuffix(Task.multiClass.classSuffix)
      return !isClassifier ? .multiLabel : labels == 1 ? .regression : .multiClass
    }
    let sequenceTasks = Task.allCases.filter(\.isOfSequences)
    guard let task = sequenceTasks.first(where: { $0.problemType == type }) else {
      throw wrong(
        "problem_type",
        expected: sequenceTasks.compactMap(\.problemType).joined(separator: ", ") + " or null",
        remedy: "correct the key")
    }
    return task
  }

  /// Label names by index: id2label's, or LABEL_0.. for num_labels, or Hugging Face's default of 2.
  func labelNames() throws -> [String] {
    guard let value = object["id2label"], value != .null else {
      let count = try size("num_labels", default: 2)
      return (0..<count).map { "LABEL_\($0)" }
    }
    guard case .object(let names) = value else {
      throw wrong("id2label", expected: "an object", remedy: "correct the key")
    }
    return try (0..<names.count).map { index in
      guard case .string(let name)? = names["\(index)"] else {
        throw EncoderError(
          "\(path): id2label", expected: "a name for each of 0..<\(names.count)",
          found: "\(names["\(index)"]?.text ?? "nothing") at \"\(index)\"",
          remedy: "number the labels from 0 without gaps")
      }
      return name
    }
  }
}

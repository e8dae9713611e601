import Encoders
import Training

/// How the value of a flag is written.
struct ValueForm {
  /// After "expected".
  let text: String
  /// As JSON Schema has it.
  let schema: [String: JSONValue]
  /// All that there are; nil where anything else may stand.
  var words: [String]?

  /// One of some words; integers among them may stand in YAML as what they are.
  static func words(_ words: [String]) -> ValueForm {
    let integers = words.compactMap { Int($0).map(JSONValue.integer) }
    return ValueForm(
      text: "one of \(words.joined(separator: ", "))",
      schema: ["enum": .array(words.map(JSONValue.string) + integers)], words: words)
  }

  static func either(_ text: String, _ schemas: [String: JSONValue]...) -> ValueForm {
    ValueForm(text: text, schema: ["anyOf": .array(schemas.map(JSONValue.object))])
  }
}

/// A type of value that a recipe's schema can describe.
protocol RecipeValue {
  static var form: ValueForm { get }
}

extension Optional: RecipeValue where Wrapped: RecipeValue {
  static var form: ValueForm { Wrapped.form }
}

extension String: RecipeValue {
  static var form: ValueForm { ValueForm(text: "a text", schema: ["type": .string("string")]) }
}

extension Bool: RecipeValue {
  static var form: ValueForm {
    ValueForm(text: "true or false", schema: ["type": .string("boolean")])
  }
}

extension Int: RecipeValue {
  static var form: ValueForm {
    ValueForm(text: "a whole number", schema: ["type": .string("integer")])
  }
}

extension UInt64: RecipeValue {
  static var form: ValueForm {
    ValueForm(
      text: "a whole number from 0", schema: ["type": .string("integer"), "minimum": .integer(0)])
  }
}

extension Double: RecipeValue {
  static var form: ValueForm { ValueForm(text: "a number", schema: ["type": .string("number")]) }
}

extension RecipeValue where Self: CaseIterable & RawRepresentable<String> {
  static var form: ValueForm { .words(allCases.map(\.rawValue)) }
}

extension LearningRateSchedule.Shape: RecipeValue {}
extension ModelConfiguration.Pooling: RecipeValue {}
extension OutputFormat: RecipeValue {}
extension TrainingOptions.EvaluationRanks: RecipeValue {}
extension TrainingOptions.Exchange: RecipeValue {}
extension TrainingOptions.InitialWeights: RecipeValue {}
extension TrainingOptions.Overlap: RecipeValue {}
extension TrainingOptions.SaveMode: RecipeValue {}
extension TrainingOptions.ShardVerification: RecipeValue {}

extension BestMetric: RecipeValue {
  static var form: ValueForm { .words(names) }

  /// Those of all tasks.
  static var names: [String] {
    var seen: Set<String> = []
    return Task.allCases.flatMap(\.metricNames).filter { seen.insert($0).inserted }
  }
}

extension TrainingOptions.Interval: RecipeValue {
  static var form: ValueForm {
    .either(
      "epoch, or a number of steps from 1", ["const": .string("epoch")],
      ["type": .string("integer"), "minimum": .integer(1)])
  }
}

extension TracedSteps: RecipeValue {
  static var form: ValueForm {
    .either(
      "steps from 1 such as 20, 20:25 or 20:25,400",
      ["type": .string("integer"), "minimum": .integer(1)],
      ["type": .string("string"), "pattern": .string("^[0-9]+(:[0-9]+)?(,[0-9]+(:[0-9]+)?)*$")])
  }
}

extension TrainingOptions.PositiveWeight: RecipeValue {
  static var form: ValueForm {
    ValueForm(text: "auto, or a file", schema: ["type": .string("string")])
  }
}

extension ByteCount: RecipeValue {
  static var form: ValueForm {
    .either(
      "a size such as 500MB", ["type": .string("integer"), "minimum": .integer(1)],
      ["type": .string("string"), "pattern": .string("^[0-9.]+ *([KkMmGg]?[Bb])?$")])
  }
}

extension TimeSpan: RecipeValue {
  static var form: ValueForm {
    .either(
      "a span of time such as 90m, 2h or 01:30:00",
      ["type": .string("number"), "exclusiveMinimum": .integer(0)],
      [
        "type": .string("string"),
        "pattern": .string("^([0-9.]+[smhd]?|([0-9]+-)?[0-9]+(:[0-9]+){1,2})$"),
      ])
  }
}

import Encoders
import Foundation
import Training

/// A run's plan with every setting's origin, as `train --dry-run` prints it.
struct PlanReport: Encodable {
  struct Setting: Encodable {
    let value: JSONValue
    /// `default`, `recipe`, `command line`, `checkpoint`, `model` (its config.json), or `machine`.
    let from: String
  }

  let plan: RunPlan
  /// In the order of `train --help`.
  let settings: [(flag: String, setting: Setting)]

  private enum CodingKeys: String, CodingKey {
    case configuration
  }

  func encode(to encoder: any Encoder) throws {
    try plan.encode(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(
      Dictionary(settings.map { ($0.flag, $0.setting) }, uniquingKeysWith: { $1 }),
      forKey: .configuration)
  }

  /// Flags whose key in run.json is another.
  private static let keys = [
    "freeze-layers": "frozen_layers", "positive-weight": "positive_weights",
  ]

  init(_ plan: RunPlan, origins: FlagOrigins) throws {
    self.plan = plan
    let resolved = try plan.configuration()
    settings = try TrainFlag.all().compactMap { flag in
      let key = Self.keys[flag.name] ?? flag.name.replacing("-", with: "_")
      let given = origins.origin(of: flag.name)
      guard let value = resolved[key] ?? origins.value(of: flag.name).map(JSONValue.string) else {
        return nil
      }
      let from =
        plan.comesFromCheckpoint(key, isGiven: given != nil)
        ? "checkpoint" : given?.rawValue ?? plan.unaskedOrigin(of: key)
      return (flag.name, Setting(value: value, from: from))
    }
  }
}

// As text.
extension PlanReport {
  var text: String {
    let rows = settings.map { ($0.flag, Self.shown($0.setting.value), $0.setting.from) }
    let width = rows.map(\.1.count).filter { $0 <= 40 }.max() ?? 0
    let table = rows.map { padded($0, 22) + padded($1, width + 2) + $2 }
    return (["resolved configuration"] + table + ["", "plan"] + planLines).joined(separator: "\n")
      + "\nnothing was written"
  }

  private static func shown(_ value: JSONValue) -> String {
    switch value {
    case .null: "-"
    case .string(let text): text
    case .array(let values): values.map(shown).joined(separator: ",")
    default: value.text
    }
  }

  private var planLines: [String] {
    let memory = plan.memory
    var lines = [
      ("begins with", plan.start),
      ("task", plan.task),
      ("rows", "\(plan.trainRows) to train on, \(plan.validationRows) to validate on"),
      (
        "steps",
        "\(plan.stepsPerEpoch) an epoch, \(plan.totalSteps) in all, \(plan.stepsLeft) to go"
      ),
      ("parameters", "\(plan.parameters), \(plan.trainedParameters) of them trained"),
    ]
    lines += plan.shares.map { share -> (String, String) in
      let ranks = share.ranks.count == 1 ? "rank" : "ranks"
      return (
        "\(ranks) \(share.text)",
        "\(share.microBatches) of \(plan.microBatches) micro-batches of each step"
          + (share.ranks.count == 1 ? "" : ", each")
      )
    }
    lines.append(
      (
        "memory of a rank",
        "\(megabytes(memory.state)) of weights, gradients and moments at most, up to "
          + "\(megabytes(memory.activations)) of activations"
      ))
    lines.append(
      (
        "",
        "rank 0 up to \(megabytes(memory.save)) more during a save; programs, shards and "
          + "messages not counted"
      ))
    return lines.map { padded($0, 22) + $1 }
  }

  private func megabytes(_ bytes: Int) -> String {
    String(format: "%.0f MB", (Double(bytes) / 1e6).rounded(.up))
  }
}

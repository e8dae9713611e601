import Foundation

/// A run folder of a test, gone with the object.
final class TemporaryRun {
  let path: String

  /// - Parameters:
  ///   - configuration: run.json; nil for none.
  ///   - metrics: metrics.jsonl; nil for none.
  init(configuration: String? = "{}", metrics: String? = "") throws {
    path = NSTemporaryDirectory() + "/lockstep-report-\(UInt64.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    if let configuration { try write("run.json", configuration) }
    if let metrics { try write("metrics.jsonl", metrics) }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
  }
}

enum Lines {
  static func step(_ step: Int, loss: Double = 0.5, tokens: String = "[90,110]") -> String {
    """
    {"epoch":0.5,"event":"step","grad_norm":1.5,"learning_rate":0.0001,"loss":\(loss),\
    "rows_by_rank":[4,4],"step":\(step),"tokens_by_rank":\(tokens)}

    """
  }

  static func evaluation(_ step: Int, f1: String, loss: Double = 0.4) -> String {
    """
    {"event":"evaluation","step":\(step),"epoch":1,"train_loss":0.45,"loss":\(loss),"f1":\(f1),\
    "roc_auc":null,"per_label":{"precision":[0.5,1],"recall":[0.25,0],"f1":[0.3,0],"support":[9,0]},\
    "thresholds":[0.4,0.5],"sweep":{"thresholds":[0.5],"precision":[0.6],"recall":[0.7],"f1":[0.65]},\
    "seconds":0.9,"tokens_per_second":7000,"peak_rss_mb":720}

    """
  }

  static func timing(_ step: Int) -> String {
    """
    {"event":"timing","step":\(step),"epoch":1,"steps":2,"seconds":0.5,"tokens":400,\
    "tokens_per_second":800,"phases_by_rank":{"optimizer":[0.1,0.1],"forward":[0.2,0.25]}}

    """
  }
}

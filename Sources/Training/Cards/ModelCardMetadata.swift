import Encoders
import Yams

// The front matter, by which the Hugging Face hub files a model:
// https://huggingface.co/docs/hub/model-cards.
extension ModelCard {
  /// YAML between the card's two lines of dashes.
  func frontMatter() throws -> String {
    var pairs: [(String, Node)] = [
      // A head that transformers computes otherwise is not its model.
      ("library_name", word(configuration.pooling == .first ? "transformers" : "lockstep")),
      ("pipeline_tag", word(pipelineTag)),
    ]
    if let base = state.baseModel?.hubID { pairs.append(("base_model", name(base))) }
    let tags = ["lockstep", configuration.architecture.modelType, task.rawValue]
    pairs.append(("tags", list(tags.map(word))))
    if let metrics {
      let defined = metrics.scores.filter { $0.value != nil }
      var seen: Set<String> = []
      let types = defined.map { hubMetric($0.name) }.filter { seen.insert($0).inserted }
      pairs.append(("metrics", list(types.map(word))))
      pairs.append(("model-index", list([index(of: defined)])))
    }
    return try serialize(node: mapping(pairs), width: -1, allowUnicode: true)
  }

  private func index(of scores: [(name: String, value: Double?)]) -> Node {
    let metrics = scores.map { score in
      mapping([
        ("type", word(hubMetric(score.name))), ("value", word(number(score.value ?? .nan))),
        ("name", word(score.name)),
      ])
    }
    let data = mapping([
      ("type", word("custom")), ("name", name(validation.name)), ("split", word("validation")),
      ("revision", name(validation.sha256)),
    ])
    let task = mapping([("type", word(pipelineTag)), ("name", word(taskName))])
    let result = mapping([("task", task), ("dataset", data), ("metrics", list(metrics))])
    return mapping([("name", name(self.name)), ("results", list([result]))])
  }

  /// The hub's kind of model.
  var pipelineTag: String {
    switch task {
    case .multiLabel, .multiClass, .regression: "text-classification"
    case .tokenClassification: "token-classification"
    case .questionAnswering: "question-answering"
    case .pretraining: "fill-mask"
    }
  }

  var taskName: String {
    switch task {
    case .multiLabel: "multi-label classification"
    case .multiClass: "classification"
    case .regression: "regression"
    case .tokenClassification: "token classification"
    case .questionAnswering: "extractive question answering"
    case .pretraining: "masked words and next sentences"
    }
  }

  /// What the hub calls a metric; its own name where the hub has none.
  private func hubMetric(_ name: String) -> String {
    switch name {
    case "matthews": "matthews_correlation"
    case "pearson": "pearsonr"
    case "spearman": "spearmanr"
    case "f1_macro", "f1_weighted": "f1"
    case "roc_auc_scores": "roc_auc"
    default: name
    }
  }

  private func mapping(_ pairs: [(String, Node)]) -> Node {
    Node(pairs.map { (Node($0), $1) })
  }

  private func list(_ nodes: [Node]) -> Node { Node(nodes) }

  /// A number, or one of lockstep's own words, which mean no number or truth value in YAML.
  private func word(_ text: String) -> Node { Node(text) }

  /// A text from outside: quoted, so that it is a text whatever it looks like.
  private func name(_ text: String) -> Node { Node(text, Tag(.str), .doubleQuoted) }
}

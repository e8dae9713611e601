import Encoders

// How the model is used.
extension ModelCard {
  var use: String {
    let python = configuration.pooling == .first ? "\n\n```python\n\(pythonCode)\n```" : ""
    return """
      ## Use

      ```sh
      \(commands)
      ```\(python)
      """
  }

  private var commands: String {
    let arguments =
      switch task {
      case .questionAnswering: #""Who wrote it?" "Ada wrote it in 1843.""#
      case .pretraining: #""a text with a [MASK] in it""#
      case .tokenClassification: #""some words to tag""#
      default: hasPairs ? #"--pairs "a text" "another text""# : #""a text""#
      }
    let tuned =
      state.thresholds == nil
      ? "" : "\nlockstep predict --model FOLDER --threshold tuned " + arguments
    return "lockstep predict --model FOLDER \(arguments)\(tuned)"
  }

  private var pythonCode: String {
    switch task {
    case .multiLabel: classification(function: "sigmoid")
    case .multiClass: classification(function: "softmax")
    case .regression: classification(function: "none")
    case .tokenClassification:
      """
      from transformers import pipeline

      tag = pipeline("token-classification", model="FOLDER", aggregation_strategy="simple")
      print(tag("some words to tag"))
      """
    case .questionAnswering:
      """
      import torch
      from transformers import AutoModelForQuestionAnswering, AutoTokenizer

      tokenizer = AutoTokenizer.from_pretrained("FOLDER")
      model = AutoModelForQuestionAnswering.from_pretrained("FOLDER")
      inputs = tokenizer("Who wrote it?", "Ada wrote it in 1843.", return_tensors="pt")
      with torch.no_grad():
          outputs = model(**inputs)
      start, end = outputs.start_logits.argmax(), outputs.end_logits.argmax()
      print(tokenizer.decode(inputs["input_ids"][0, start : end + 1]))
      """
    case .pretraining:
      """
      from transformers import pipeline

      fill = pipeline("fill-mask", model="FOLDER")
      print(fill(f"a text with a {fill.tokenizer.mask_token} in it"))
      """
    }
  }

  private func classification(function: String) -> String {
    let text = hasPairs ? #"{"text": "a text", "text_pair": "another text"}"# : #""a text""#
    return """
      from transformers import pipeline

      classify = pipeline("text-classification", model="FOLDER", top_k=None, function_to_apply="\(function)")
      print(classify(\(text)))
      """
  }
}

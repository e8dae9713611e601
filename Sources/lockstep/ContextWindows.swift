import ArgumentParser
import Tokenizers

/// How contexts of question answering are cut into windows: see `AnswerRows`.
struct ContextWindows: ParsableArguments {
  @Option(
    help: """
      question-answering: tokens that neighbouring windows of a context have in common. (default: 128, or \
      half of what a question leaves of less than 256)
      """)
  var docStride: Int?

  /// - Throws: a usage error for windows that would not go forward.
  func requireProgress(tokenizer: Tokenizer, maxLength: Int) throws {
    let most = max(0, AnswerRows.mostStride(tokenizer: tokenizer, maxLength: maxLength))
    guard let docStride, !(0...most).contains(docStride) else { return }
    throw ValidationError(
      "--doc-stride: expected 0 to \(most) with a --max-length of \(maxLength), of which a "
        + "question may take half; found \(docStride)")
  }
}

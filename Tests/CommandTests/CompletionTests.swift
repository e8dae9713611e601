import Foundation
import Testing

/// The scripts of the argument parser in the shells themselves.
@Suite struct CompletionTests {
  /// Completes the last of `words` in bash, as Tab does, with `folder` as the working directory.
  private func complete(_ words: [String], in folder: TemporaryFolder) throws -> [String] {
    let script = try Program.run(["--generate-completion-script", "bash"])
    #expect(script.status == 0, "\(script.errors)")
    let file = try folder.write("completions.bash", script.output)
    let driver = """
      cd -- "$1" && source "$2" && shift 2
      function=$(complete -p lockstep | sed -n 's/.* -F \\([^ ]*\\) .*/\\1/p')
      COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_TYPE=9
      "$function" lockstep "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let result = try Program.run(
      ["--norc", "-c", driver, "bash", folder.path, file] + words, program: "/bin/bash")
    #expect(result.status == 0, "\(result.errors)")
    return result.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      .sorted()
  }

  @Test("bash completes commands, flags and the words that a flag takes")
  func completesWords() throws {
    let folder = try TemporaryFolder()
    func completed(_ words: String...) throws -> [String] {
      try complete(["lockstep"] + words, in: folder)
    }
    #expect(try completed("tr") == ["train"])
    #expect(try completed("rec") == ["recipe"])
    #expect(try completed("train", "--learn") == ["--learning-rate"])
    #expect(
      try completed("train", "--schedule", "") == ["constant", "cosine", "linear", "polynomial"])
    #expect(try completed("train", "--size", "la") == ["large"])
    #expect(try completed("train", "--metric", "f1_macro_") == ["f1_macro_tuned"])
    #expect(try completed("bench", "all") == ["allreduce"])
  }

  @Test("bash completes folders where folders are meant, and recipes where recipes are")
  func completesFiles() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: folder.path + "/recent", withIntermediateDirectories: true)
    for name in ["recipe.yaml", "recipe.yml", "record.txt"] { _ = try folder.write(name, "") }
    let recipes = try complete(["lockstep", "train", "--recipe", "rec"], in: folder)
    #expect(recipes.contains("recipe.yaml") && recipes.contains("recipe.yml"), "\(recipes)")
    #expect(!recipes.contains("record.txt"), "\(recipes)")
    let folders = try complete(["lockstep", "train", "--model", "rec"], in: folder)
    #expect(folders.map { $0.replacing("/", with: "") } == ["recent"])
  }

  @Test(
    "there are scripts for zsh and fish too, with the words of flags", arguments: ["zsh", "fish"])
  func writesScripts(shell: String) throws {
    let script = try Program.run(["--generate-completion-script", shell])
    #expect(script.status == 0, "\(script.errors)")
    for word in ["lockstep", "learning-rate", "polynomial", "yaml"] {
      #expect(script.output.contains(word), "\(word)")
    }
  }
}

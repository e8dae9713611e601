import Foundation

/// A parser of strangers' bytes, as libFuzzer drives it.
///
/// `run` may refuse its input by throwing; what it accepts must hold the property that the target
/// checks. A trap, a wild access, a hang, or memory beyond libFuzzer's bounds is a crash.
struct FuzzTarget: Sendable {
  let name: String
  /// Where the mutations start from.
  let seeds: [[UInt8]]
  /// Words of the format, which mutations would take long to spell.
  let words: [String]
  let run: @Sendable ([UInt8]) throws -> Void

  init(
    _ name: String, seeds: [[UInt8]], words: [String] = [],
    run: @escaping @Sendable ([UInt8]) throws -> Void
  ) {
    self.name = name
    self.seeds = seeds
    self.words = words
    self.run = run
  }

  static let all: [FuzzTarget] =
    manifestTargets + checkpointTargets + torchTargets + tokenizerTargets + modelTargets
    + tableTargets

  /// The one that LOCKSTEP_FUZZ_TARGET names.
  static let selected: FuzzTarget = {
    let name = ProcessInfo.processInfo.environment["LOCKSTEP_FUZZ_TARGET"] ?? ""
    guard let target = all.first(where: { $0.name == name }) else {
      FileHandle.standardError.write(Data("no fuzz target is called '\(name)'\n".utf8))
      exit(64)
    }
    return target
  }()
}

@main
struct Fuzz {
  /// Lists the targets, or writes the seeds and the dictionary of one, where Tests/Fuzz/run asks for
  /// that; else lets libFuzzer run.
  static func main() throws {
    let environment = ProcessInfo.processInfo.environment
    if environment["LOCKSTEP_FUZZ_LIST"] != nil {
      return print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
    }
    let target = FuzzTarget.selected
    if let folder = environment["LOCKSTEP_FUZZ_SEEDS"] {
      for (index, seed) in target.seeds.enumerated() {
        try Data(seed).write(to: URL(fileURLWithPath: "\(folder)/seed-\(index)"))
      }
      let lines = target.words.map { "\"" + dictionaryText($0) + "\"\n" }
      return try Data(lines.joined().utf8).write(to: URL(fileURLWithPath: folder + ".dict"))
    }
    var count = CommandLine.argc
    var arguments: Arguments? = CommandLine.unsafeArgv
    exit(runFuzzer(&count, &arguments, runInput))
  }
}

private typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// libFuzzer as a library: its own main function would be another one than SwiftPM's.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
  _ count: UnsafeMutablePointer<Int32>, _ arguments: UnsafeMutablePointer<Arguments?>,
  _ run: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

private func runInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  let input = Array(UnsafeBufferPointer(start: bytes, count: count))
  do { try FuzzTarget.selected.run(input) } catch {
    // A refusal is one line that a terminal can show.
    let message = "\(error)"
    require(
      !message.utf8.contains { $0 < 0x20 || $0 == 0x7f }, "a message in one line: \(message)")
  }
  return 0
}

/// libFuzzer's escapes: all but letters and digits in hexadecimal.
private func dictionaryText(_ word: String) -> String {
  word.utf8.map { byte in
    let isPlain = byte < 0x80 && Character(Unicode.Scalar(byte)).isLetter || byte == 0x5f
    return isPlain
      ? String(Unicode.Scalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }.joined()
}

/// Ends the process, which libFuzzer takes for a crash.
func require(_ holds: Bool, _ property: @autoclosure () -> String) {
  if !holds { fatalError("property violated: \(property())") }
}

/// A folder in memory where targets put the files of an input; gone with the process's runner.
let scratch: String = {
  let parent = ProcessInfo.processInfo.environment["LOCKSTEP_FUZZ_SCRATCH"] ?? "/dev/shm"
  var template = Array("\(parent)/lockstep-fuzz-XXXXXX".utf8CString)
  guard let path = mkdtemp(&template) else { fatalError("no scratch folder in \(parent)") }
  return String(cString: path)
}()

/// Writes a file of the scratch folder and returns its path.
func write(_ bytes: some Collection<UInt8>, to name: String) -> String {
  let path = "\(scratch)/\(name)"
  let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  let buffer = Array(bytes)
  guard descriptor >= 0, Glibc.write(descriptor, buffer, buffer.count) == buffer.count else {
    fatalError("\(path) cannot be written")
  }
  close(descriptor)
  return path
}

/// A file of Tests/Fixtures, or of the repository where it begins with `/`.
func fixture(_ path: String) -> [UInt8] {
  let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().path
  let file = path.hasPrefix("/") ? tests + "/.." + path : tests + "/Fixtures/" + path
  guard let data = FileManager.default.contents(atPath: file) else {
    fatalError("\(file) is missing")
  }
  return Array(data)
}

import Foundation
import Testing

@Suite struct ManualTests {
  @Test("the files that follow from the parser are those that launch/regenerate writes")
  func filesAreCurrent() throws {
    let result = try Program.run(
      ["--lockstep", Program.path, "--check"], program: Program.package + "/launch/regenerate")
    #expect(result.status == 0, "\(result.errors)")
  }

  @Test("the manual page has every command and every flag, as man shows it")
  func pageIsWhole() throws {
    let page = Program.package + "/docs/lockstep.1"
    let viewers = ["/usr/bin/mandoc", "/usr/bin/man"].filter(
      FileManager.default.isExecutableFile)
    for viewer in viewers {
      let options = viewer.hasSuffix("mandoc") ? ["-T", "ascii"] : ["-l", "-P", "cat"]
      let result = try Program.run(
        options + [page], environment: ["MANWIDTH": "200"], program: viewer)
      #expect(result.status == 0, "\(result.errors)")
      // Overstruck letters are how terminals show bold ones.
      let text = result.output.replacing(/.\u{8}/, with: "")
      for word in [
        "lockstep train", "lockstep bench step", "--learning-rate", "--dry-run", "--schema",
        "--threshold", "EXIT STATUS",
      ] { #expect(text.contains(word), "\(word) in \(viewer)'s page") }
    }
    guard viewers.contains("/usr/bin/mandoc") else { return }
    let lint = try Program.run(["-T", "lint", "-W", "warning", page], program: "/usr/bin/mandoc")
    #expect(lint.status == 0, "\(lint.output)")
  }

  @Test("--version says which lockstep it is")
  func tellsVersion() throws {
    let result = try Program.run(["--version"])
    #expect(result.status == 0)
    #expect(result.output.contains(/^\d+\.\d+\.\d+/), "\(result.output)")
  }
}

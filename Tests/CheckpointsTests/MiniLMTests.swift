import Foundation
import Manifests
import Testing

@testable import Checkpoints

@Suite struct MiniLMTests {
  private static let model = ProcessInfo.processInfo.environment["LOCKSTEP_MINILM"]

  @Test(
    "The real MiniLM weights come back byte for byte, alone and in several files",
    .enabled(if: model != nil, "LOCKSTEP_MINILM names no model folder"))
  func roundTrip() throws {
    let path = try #require(Self.model)
    let original = try ModelFolder(path: path)
    let names = original.tensorNames.filter { original.type(of: $0) == .float32 }
    #expect(names.count == 103)
    let tensors = OwnedTensors(names.map { ($0, original.shape(of: $0) ?? []) })
    for view in tensors.views {
      let memory = UnsafeMutablePointer(mutating: view.base)
      try original.read(view.name, shape: view.shape, into: memory)
    }
    let folder = try TemporaryFolder()
    let receipt = try writeCheckpoint(
      CheckpointContents(weights: tensors.views), to: folder("single"))
    // The original holds an I64 tensor as well, which lies in front of the floats.
    let data = tensors.views.reduce(0) { $0 + $1.byteCount }
    let theirs = try read("\(path)/model.safetensors").suffix(data)
    #expect(try read(folder("single/model.safetensors")).suffix(data) == theirs)
    #expect(receipt.bytes > data)
    _ = try writeCheckpoint(
      CheckpointContents(weights: tensors.views, maxShardBytes: 20_000_000), to: folder("several"))
    let several = try ModelFolder(path: folder("several"))
    for name in names { #expect(try several.floats(name) == tensors[name], "\(name)") }
    let files = try entries(ofFolder: folder("several")).map(\.name)
    #expect(
      files.filter { $0.hasPrefix("model-") && $0.hasSuffix("-of-00005.safetensors") }.count == 5)
  }
}

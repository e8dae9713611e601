import Foundation
import Manifests
import Testing

@testable import Checkpoints

@Suite struct ModelExportTests {
  let folder: TemporaryFolder
  let tensors = OwnedTensors([
    ("bert.a.LayerNorm.gamma", [70_001]), ("bert.a.LayerNorm.beta", [3]), ("b", [4, 5]), ("c", []),
    ("d", [0]),
  ])
  init() throws { folder = try TemporaryFolder() }

  /// Writes a checkpoint folder of the tensors and returns its path.
  private func checkpoint(_ tensors: OwnedTensors? = nil) throws -> String {
    let views = (tensors ?? self.tensors).views
    let contents = CheckpointContents(
      weights: views, expAvg: views, expAvgSq: views,
      files: [
        ("config.json", Array("{}".utf8)), ("trainer_state.json", Array("{}".utf8)),
        ("vocab.txt", Array("[PAD]\n".utf8)),
      ])
    return try writeCheckpoint(contents, to: folder("checkpoint-7"), replacing: true).path
  }

  private func export(
    _ path: String, as type: WeightType = .float32, to name: String = "out",
    overwriting: [String]? = nil, maxShardBytes: Int = 1 << 40,
    progress: (Int) throws -> Void = { _ in }
  ) throws -> ModelExport.Receipt {
    try ModelExport(
      of: ModelFolder(path: path), as: type, configuration: Array(#"{"dtype": ""}"#.utf8),
      files: ["vocab.txt"]
    ).write(
      to: folder(name), overwriting: overwriting, maxShardBytes: maxShardBytes, progress: progress)
  }

  private func names(_ name: String = "out") throws -> [String] {
    try entries(ofFolder: folder(name)).map(\.name)
  }

  @Test("An export has the model and nothing else, and the same bytes each time")
  func content() throws {
    let path = try checkpoint()
    let receipt = try export(path)
    #expect(try names() == ["config.json", "model.safetensors", "vocab.txt"])
    #expect(try folder.names == ["checkpoint-7", "out"])
    #expect(try read(folder("out/config.json")) == Array(#"{"dtype": ""}"#.utf8))
    #expect(try read(folder("out/vocab.txt")) == Array("[PAD]\n".utf8))
    #expect(receipt.parameters == 70_025)
    #expect(receipt.tensorBytes == 4 * 70_025)
    for file in receipt.files {
      #expect(try sha256OfFile(folder("out/\(file.name)")).sha256 == file.sha256)
    }
    let model = try ModelFolder(path: folder("out"))
    for (old, new) in [
      ("bert.a.LayerNorm.gamma", "bert.a.LayerNorm.weight"),
      ("bert.a.LayerNorm.beta", "bert.a.LayerNorm.bias"), ("b", "b"), ("c", "c"), ("d", "d"),
    ] { #expect(try model.floats(new) == tensors[old]) }
    #expect(model.tensorNames.count == 5)
    #expect(try export(path, to: "again").files == receipt.files)
  }

  @Test("Halves are rounded to the nearest, in several files as in one", arguments: [false, true])
  func halves(isSharded: Bool) throws {
    let path = try checkpoint()
    for type in [WeightType.float16, .bfloat16] {
      let name = "out-\(type)"
      _ = try export(path, as: type, to: name, maxShardBytes: isSharded ? 40 : 1 << 40)
      #expect(
        try names(name).contains(isSharded ? "model.safetensors.index.json" : "model.safetensors"))
      #expect(try names(name).count == (isSharded ? 7 : 3))
      let model = try ModelFolder(path: folder(name))
      for view in tensors.views {
        let exported = view.name.replacing("gamma", with: "weight").replacing("beta", with: "bias")
        #expect(model.type(of: exported) == type.elementType)
        let expected = tensors[view.name].map {
          type == .float16 ? Float(Float16($0)) : nearestBFloat16(to: $0)
        }
        #expect(try model.floats(exported) == expected)
      }
      #expect(model.tensorBytes == 2 * 70_025)
    }
  }

  /// By comparing the two neighbours, which are exact in float32.
  private func nearestBFloat16(to value: Float) -> Float {
    let below = Float(bitPattern: value.bitPattern & 0xffff_0000)
    let above = Float(bitPattern: below.bitPattern + 0x1_0000)
    let (down, up) = (abs(value - below), abs(above - value))
    if down == up { return below.bitPattern >> 16 & 1 == 0 ? below : above }
    return down < up ? below : above
  }

  @Test("Rounding agrees with the hardware's at ties, subnormal numbers and the ends of the range")
  func rounding() {
    var patterns = (0..<200_000).map { UInt32(truncatingIfNeeded: $0 &* 2_654_435_761) }
    // Every half, its neighbours, and the ties between halves with theirs.
    for bits in UInt16.min...UInt16.max where bits & 0x7c00 != 0x7c00 {
      let value = float(fromHalf: bits)
      let tie = (Double(value) + Double(float(fromHalf: bits + 1))) / 2
      for center in [value.bitPattern, Float(tie).bitPattern] {
        patterns += [center &- 1, center, center &+ 1]
      }
    }
    patterns += [Float(65519.996), 65520, -65520, .infinity, -.infinity, .nan].map(\.bitPattern)
    let wrong = patterns.filter { pattern in
      let value = Float(bitPattern: pattern)
      let found = half(nearest: value)
      return value.isNaN
        ? !float(fromHalf: found).isNaN : found != Float16(value).bitPattern
    }
    #expect(wrong.isEmpty, "\(wrong.prefix(5).map { Float(bitPattern: $0) })")
    for (value, expected) in [
      (Float.infinity, UInt16(0x7f80)), (-0.0, 0x8000), (Float.greatestFiniteMagnitude, 0x7f80),
      (Float(bitPattern: 0x7f7f_7fff), 0x7f7f), (Float(bitPattern: 0x3f80_8000), 0x3f80),
      (Float(bitPattern: 0x3f81_8000), 0x3f82), (Float(bitPattern: 0x0000_8001), 1),
    ] { #expect(bfloat16(nearest: value) == expected) }
    #expect(float(fromBFloat16: bfloat16(nearest: Float(bitPattern: 0x7f80_0001))).isNaN)
  }

  @Test("A weight that the type cannot hold is refused with its tensor, and nothing is left")
  func overflow() throws {
    let large = OwnedTensors([("fine", [3]), ("large", [300_000])])
    let base = UnsafeMutablePointer(mutating: large.views[1].base)
    base[270_000] = -65520
    base[17] = .infinity
    let path = try checkpoint(large)
    let text = message { _ = try export(path, as: .float16) }
    #expect(
      text == "\(path)/model.safetensors: tensor `large`: expected weights that float16 can hold, "
        + "found -65520.0 at element 270000; export with --dtype bfloat16")
    #expect(try folder.names == ["checkpoint-7"])
    _ = try export(path, as: .bfloat16)
    #expect(try ModelFolder(path: folder("out")).floats("large")[17] == .infinity)
    base[270_000] = .greatestFiniteMagnitude
    let again = message { _ = try export(checkpoint(large), as: .bfloat16, to: "more") }
    #expect(again.hasSuffix("found 3.4028235e+38 at element 270000; export with --dtype float32"))
  }

  @Test("What is there stays, unless it is an earlier export that may be overwritten")
  func overwriting() throws {
    let path = try checkpoint()
    _ = try export(path)
    #expect(
      message { _ = try export(path) }
        == "\(folder("out")): expected nothing there yet, found a folder; name another folder, or "
        + "replace an earlier export with --overwrite")
    _ = try export(path, as: .float16, overwriting: ["vocab.txt"], maxShardBytes: 40)
    #expect(try names().count == 7)
    _ = try export(path, overwriting: ["vocab.txt"])
    #expect(try names() == ["config.json", "model.safetensors", "vocab.txt"])
    for other in ["README.md", "trainer_state.json", ".git"] {
      try write([1], to: folder("out/\(other)"))
      #expect(
        message { _ = try export(path, overwriting: ["vocab.txt"]) }.contains(
          "expected nothing but an earlier export to overwrite, found `\(other)`"))
      try FileManager.default.removeItem(atPath: folder("out/\(other)"))
    }
    _ = try folder.make("out/config.json-folder")
    #expect(message { _ = try export(path, overwriting: []) }.contains("nothing but an earlier"))
    #expect(
      message { _ = try export(path, to: "checkpoint-7", overwriting: ["vocab.txt"]) }.contains(
        "found `manifest.json`"))
    #expect(
      message { _ = try export(path, to: "checkpoint-7/vocab.txt", overwriting: []) }.contains(
        "expected nothing there yet, found a file"))
    try Checkpoint(path: path).verify()
  }

  @Test("An export that is stopped, or whose source is damaged, leaves nothing")
  func stopping() throws {
    struct Stopped: Error {}
    let path = try checkpoint()
    #expect(throws: Stopped.self) { try export(path) { _ in throw Stopped() } }
    #expect(try folder.names == ["checkpoint-7"])
    var bytes = try read("\(path)/model.safetensors")
    bytes[bytes.count - 1] ^= 1
    try write(bytes, to: "\(path)/model.safetensors")
    #expect(
      message { _ = try export(path) }.hasPrefix("\(path)/model.safetensors: expected sha256"))
    #expect(try folder.names == ["checkpoint-7"])
  }

  @Test("Buffers of whole numbers are left out, and two tensors of one name are refused")
  func names() throws {
    let header =
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
      + #""embeddings.position_ids":{"dtype":"I64","shape":[1],"data_offsets":[4,12]}}"#
    let path = try folder.make("model")
    try write(
      safetensors(header, data: bytes([3]) + [UInt8](repeating: 0, count: 8)),
      to: "\(path)/model.safetensors")
    try write([65], to: "\(path)/vocab.txt")
    _ = try export(path)
    #expect(try ModelFolder(path: folder("out")).tensorNames == ["a"])
    let twice = OwnedTensors([("x.LayerNorm.gamma", [1]), ("x.LayerNorm.weight", [1])])
    #expect(
      message { _ = try export(checkpoint(twice), to: "two") }.contains(
        "expected one tensor to be called `x.LayerNorm.weight`, found another"))
  }
}

import Foundation
import Manifests
import Testing

@testable import Checkpoints

@Suite struct SafetensorsTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  static let shapes: [(String, [Int])] = [
    ("weight", [3, 5]), ("bias", [1]), ("scalar", []), ("empty", [0]), ("wide.empty", [7, 0, 3]),
    ("large", [513, 1025]), ("ünïcode\"\\\n\u{1}", [2, 1, 2]),
  ]

  @Test("Tensors of any shape come back to the bit: scalars, none, odd sizes, odd names")
  func roundTrip() throws {
    let tensors = OwnedTensors(Self.shapes)
    let path = folder("model.safetensors")
    var written = 0
    let record = try writeSafetensors(tensors.views, to: path) { written += $0 }
    let direct = try sha256OfFile(path)
    #expect(record.sha256 == direct.sha256)
    #expect(record.bytes == direct.bytes)
    #expect(Int64(written) == record.bytes)
    let model = try ModelFolder(path: folder.path)
    #expect(model.tensorNames == tensors.views.map(\.name).sorted())
    for view in tensors.views {
      #expect(model.shape(of: view.name) == view.shape)
      #expect(model.type(of: view.name) == .float32)
      #expect(try model.floats(view.name) == tensors[view.name], "\(view.name)")
    }
  }

  @Test("The same tensors give the same bytes, in whatever order they come")
  func deterministic() throws {
    let tensors = OwnedTensors(Self.shapes)
    let a = try writeSafetensors(tensors.views, to: folder("a"))
    let b = try writeSafetensors(tensors.views.reversed(), to: folder("b"))
    #expect(a.sha256 == b.sha256)
    #expect(try read(folder("a")) == read(folder("b")))
    let header = try read(folder("a")).prefix(8)
    #expect(header[0] % 8 == 0)
  }

  @Test("A file without tensors is a header alone")
  func noTensors() throws {
    _ = try writeSafetensors([], to: folder("model.safetensors"))
    #expect(
      try read(folder("model.safetensors"))
        == safetensors(#"{"__metadata__":{"format":"pt"}} "#.padded))
    #expect(try ModelFolder(path: folder.path).tensorNames == [])
  }

  @Test("A name given twice is refused")
  func twice() throws {
    let tensors = OwnedTensors([("a", [1]), ("b", [2]), ("a", [3])])
    #expect(
      message { _ = try writeSafetensors(tensors.views, to: folder("f")) }
        == "\(folder("f")): tensor `a`: expected each tensor once, found it twice; "
        + "give each tensor a name of its own")
  }

  @Test("Reading with another shape names file, tensor and both shapes")
  func wrongShape() throws {
    let tensors = OwnedTensors([("a", [2, 3])])
    _ = try writeSafetensors(tensors.views, to: folder("model.safetensors"))
    let model = try ModelFolder(path: folder.path)
    var value: Float = 0
    #expect(
      message { try model.read("a", shape: [3, 2], into: &value) }
        == "\(folder("model.safetensors")): tensor `a`: expected shape [3, 2], found [2, 3]; "
        + "use the weights that belong to this config.json")
    #expect(
      message { try model.read("b", shape: [1], into: &value) }
        == "\(folder("model.safetensors")): expected a tensor `b` of shape [1], found none; "
        + "use the weights that belong to this config.json")
  }

  @Test("A file that shrinks after it was opened is an error that names the tensor")
  func shrinks() throws {
    let tensors = OwnedTensors([("a", [100])])
    let path = folder("model.safetensors")
    _ = try writeSafetensors(tensors.views, to: path)
    let model = try ModelFolder(path: folder.path)
    try #require(truncate(path, 200) == 0)
    #expect(message { _ = try model.floats("a") }.hasPrefix("\(path): tensor `a`: expected 400"))
  }

  @Test("Integer tensors are listed, and reading one as floats names its type")
  func integers() throws {
    let header = #"{"position_ids":{"dtype":"I64","shape":[1,2],"data_offsets":[0,16]}}"#
    try write(
      safetensors(header, data: Array(repeating: 0, count: 16)), to: folder("model.safetensors"))
    let model = try ModelFolder(path: folder.path)
    #expect(model.type(of: "position_ids") == .int64)
    #expect(
      message { _ = try model.floats("position_ids") }
        == "\(folder("model.safetensors")): tensor `position_ids`: expected a float tensor "
        + "(F32, F16 or BF16), found I64; convert the tensor to F32")
  }

  @Test("Every one of the 65,536 half and bfloat16 patterns widens to its exact value")
  func widening() throws {
    for pattern in UInt16.min ... .max {
      let widened = float(fromBFloat16: pattern)
      #expect(widened.bitPattern == UInt32(pattern) << 16)
      let sign: Float = pattern & 0x8000 == 0 ? 1 : -1
      let exponent = Int(pattern >> 10 & 31)
      let fraction = Float(pattern & 1023)
      let half = float(fromHalf: pattern)
      switch exponent {
      case 31 where fraction == 0: #expect(half == sign * .infinity)
      case 31: #expect(half.isNaN && half.sign == (sign < 0 ? .minus : .plus))
      case 0: #expect(half == sign * fraction * Float(sign: .plus, exponent: -24, significand: 1))
      default:
        let exact =
          sign * (1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
        #expect(half == exact, "pattern \(pattern)")
      }
    }
    #expect(float(fromHalf: 0x0001) == 0x1p-24)
    #expect(float(fromHalf: 0x03ff) == 1023 * 0x1p-24)
    #expect(float(fromHalf: 0x7bff) == 65504)
    #expect(float(fromHalf: 0x3c00) == 1)
    #expect(float(fromHalf: 0x8000).bitPattern == 0x8000_0000)
    #expect(float(fromBFloat16: 0x0001) == 0x1p-133)
    #expect(float(fromBFloat16: 0x3f80) == 1)
    #expect(float(fromBFloat16: 0xff80) == -.infinity)
    #expect(float(fromBFloat16: 0x7fc1).isNaN)
  }

  @Test("F16 and BF16 tensors of even, odd and no elements are widened while they are read")
  func halfTensors() throws {
    let halves: [UInt16] = [0x3c00, 0xc000, 0x0001, 0x7c00, 0x3555]
    let brains: [UInt16] = [0x3f80, 0xc000, 0x0001, 0x7f80]
    let data = (halves + brains).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    let header = """
      {"h":{"dtype":"F16","shape":[5],"data_offsets":[0,10]},\
      "b":{"dtype":"BF16","shape":[2,2],"data_offsets":[10,18]},\
      "n":{"dtype":"F16","shape":[0],"data_offsets":[18,18]}}
      """
    try write(safetensors(header, data: data), to: folder("model.safetensors"))
    let model = try ModelFolder(path: folder.path)
    #expect(model.tensorNames == ["h", "b", "n"])
    #expect(try model.floats("h") == [1, -2, 0x1p-24, .infinity, Float(0x555) * 0x1p-12])
    #expect(try model.floats("b") == [1, -2, 0x1p-133, .infinity])
    #expect(try model.floats("n") == [])
  }
}

extension String {
  /// Padded with spaces to a multiple of 8 bytes, as headers are.
  fileprivate var padded: String {
    let text = trimmingCharacters(in: .whitespaces)
    return text + String(repeating: " ", count: (8 - text.utf8.count % 8) % 8)
  }
}

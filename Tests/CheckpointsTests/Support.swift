import Foundation
import Manifests

@testable import Checkpoints

/// A folder that is removed with the test that made it.
final class TemporaryFolder {
  let path: String

  init() throws {
    let name = "lockstep-tests-\(UUID().uuidString)"
    path = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit { try? removeFolder(path) }

  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  /// The path of a new folder inside.
  func make(_ name: String) throws -> String {
    try FileManager.default.createDirectory(atPath: self(name), withIntermediateDirectories: true)
    return self(name)
  }

  var names: [String] { get throws { try entries(ofFolder: path).map(\.name) } }
}

func write(_ bytes: [UInt8], to path: String) throws {
  try Data(bytes).write(to: URL(fileURLWithPath: path))
}

func read(_ path: String) throws -> [UInt8] {
  try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
}

/// Tensors with memory of their own, for tests.
final class OwnedTensors {
  let views: [TensorView]

  /// Element i of tensor t is a value that depends on both, signs and fractions included.
  init(_ shapes: [(String, [Int])], seed: Int = 1) {
    views = shapes.enumerated().map { index, tensor in
      let count = tensor.1.reduce(1, *)
      let base = UnsafeMutablePointer<Float>.allocate(capacity: max(count, 1))
      for element in 0..<count {
        let mixed = (element &* 2_654_435_761 &+ index &* 40_503 &+ seed) % 200_003
        base[element] = Float(mixed - 100_001) / 257
      }
      return TensorView(name: tensor.0, shape: tensor.1, base: UnsafePointer(base))
    }
  }

  deinit { for view in views { view.base.deallocate() } }

  subscript(_ name: String) -> [Float] {
    guard let view = views.first(where: { $0.name == name }) else { return [] }
    return Array(UnsafeBufferPointer(start: view.base, count: view.elementCount))
  }
}

extension ModelFolder {
  func floats(_ name: String) throws -> [Float] {
    let shape = self.shape(of: name) ?? []
    return try floatArray(shape) { try read(name, shape: shape, into: $0) }
  }
}

/// The elements that `fill` writes, with a guard element behind that must stay untouched.
func floatArray(
  _ shape: [Int], _ fill: (UnsafeMutablePointer<Float>) throws -> Void
) throws -> [Float] {
  let count = shape.reduce(1, *)
  var values = [Float](repeating: -77, count: count + 1)
  try values.withUnsafeMutableBufferPointer { buffer in
    if let base = buffer.baseAddress { try fill(base) }
  }
  guard values.removeLast() == -77 else { throw CocoaError(.coderInvalidValue) }
  return values
}

/// A safetensors file of the given header text and data.
func safetensors(_ header: String, data: [UInt8] = [], length: UInt64? = nil) -> [UInt8] {
  let text = Array(header.utf8)
  let prefix = withUnsafeBytes(of: (length ?? UInt64(text.count)).littleEndian) { Array($0) }
  return prefix + text + data
}

/// What `body` throws, as text; "nothing" when it does not.
func message(_ body: () throws -> Void) -> String {
  do { try body() } catch { return "\(error)" }
  return "nothing"
}

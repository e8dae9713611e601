import Manifests

/// A tensor as the directory of its file describes it.
package struct TensorEntry: Sendable, Equatable {
  package let name: String
  package let type: ElementType
  /// Row-major; empty for a scalar.
  package let shape: [Int]
  /// Where its elements lie, from the first to the last: counted from the end of the header in a
  /// safetensors file, from the start in any other.
  package let bytes: Range<Int>
  /// For each dimension the elements from one index to the next, no two indexes at the same place;
  /// nil where the elements lie row-major without gaps.
  package let strides: [Int]?
  package let elementCount: Int

  /// - Precondition: sizes and strides are 0 or more and agree with `bytes`.
  init(name: String, type: ElementType, shape: [Int], bytes: Range<Int>, strides: [Int]? = nil) {
    self.name = name
    self.type = type
    self.shape = shape
    self.bytes = bytes
    self.strides = strides
    // Without strides the shape's product may overflow, when a later size is 0.
    elementCount = strides == nil ? bytes.count / type.byteWidth : shape.reduce(1, *)
  }

  /// The bytes of its elements, without what lies between them.
  package var byteCount: Int { elementCount * type.byteWidth }
}

/// An open file of tensors whose directory has been checked completely.
///
/// Tensors are read with `pread`, straight into the caller's memory: a file that shrinks, or a disk
/// that fails while it is read, is an error with a path; a mapping would end the process.
protocol TensorFile: AnyObject {
  var path: String { get }
  /// In the order of the file.
  var tensors: [TensorEntry] { get }
  /// Whether elements have their highest byte first.
  var isBigEndian: Bool { get }

  /// Fills `buffer` from the byte that an entry's `bytes` count as `offset`.
  /// - Parameter place: file and tensor, for errors.
  func fill(
    _ buffer: UnsafeMutableRawBufferPointer, from offset: Int, _ place: String) throws
}

extension TensorFile {
  /// Reads a tensor as float32, row-major; F16 and BF16 are widened, which is exact.
  /// - Parameters:
  ///   - entry: one of ``tensors``.
  ///   - shape: what the caller has room for; must be the entry's.
  ///   - destination: overwritten with the product of `shape` elements.
  package func read(
    _ entry: TensorEntry, shape: [Int], into destination: UnsafeMutablePointer<Float>
  ) throws {
    let place = "\(path): tensor \(quoted(entry.name))"
    guard entry.shape == shape else {
      throw CheckpointError(
        place: place, expected: "shape \(shapeText(shape))",
        found: shapeText(entry.shape), remedy: "use the weights that belong to this config.json")
    }
    guard entry.type.widensToFloat32 else {
      throw CheckpointError(
        place: place, expected: "a float tensor (F32, F16 or BF16)", found: entry.type.rawValue,
        remedy: "convert the tensor to F32")
    }
    let raw = UnsafeMutableRawBufferPointer(start: destination, count: entry.elementCount * 4)
    if entry.type == .float32 {
      try fill(raw, with: entry, place)
    } else {
      // The halves go into the upper half of the destination, then widen from the front: element i
      // is written at byte 4i and read at byte 2n + 2i, which lies never before it.
      let halves = UnsafeMutableRawBufferPointer(rebasing: raw[(raw.count / 2)...])
      try fill(halves, with: entry, place)
      let widen = entry.type == .float16 ? float(fromHalf:) : float(fromBFloat16:)
      for index in 0..<entry.elementCount {
        let bits = halves.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
        destination[index] = widen(UInt16(littleEndian: bits))
      }
    }
  }

  /// Fills `buffer` with the elements of a tensor as they are stored, but row-major and with their
  /// lowest byte first.
  private func fill(
    _ buffer: UnsafeMutableRawBufferPointer, with entry: TensorEntry, _ place: String
  ) throws {
    if let strides = entry.strides {
      try gather(entry, strides, into: buffer, place)
    } else {
      try fill(buffer, from: entry.bytes.lowerBound, place)
    }
    if isBigEndian { reverseBytes(buffer, width: entry.type.byteWidth) }
  }

  /// Reads a tensor that lies in another order or with gaps, such as a transposed one.
  ///
  /// The elements are visited in the order of the file, so that no byte is read twice, through a
  /// window of a fixed size.
  private func gather(
    _ entry: TensorEntry, _ strides: [Int], into buffer: UnsafeMutableRawBufferPointer,
    _ place: String
  ) throws {
    guard let base = buffer.baseAddress, entry.elementCount > 0 else { return }
    let width = entry.type.byteWidth
    var window = FileWindow(over: entry.bytes)
    defer { window.deallocate() }
    let axes = StridedAxis.inFileOrder(shape: entry.shape, strides: strides)
    let inner = axes.last ?? StridedAxis(size: 1, stride: 0, rowMajorStride: 1)
    var index = [Int](repeating: 0, count: max(0, axes.count - 1))
    while true {
      var source = entry.bytes.lowerBound
      var target = base
      for (axis, position) in zip(axes, index) {
        source += position * axis.stride * width
        target += position * axis.rowMajorStride * width
      }
      for _ in 0..<inner.size {
        let bytes = try window.bytes(at: source, count: width) {
          try fill($0, from: $1, place)
        }
        target.copyMemory(from: bytes, byteCount: width)
        source += inner.stride * width
        target += inner.rowMajorStride * width
      }
      guard let axis = index.indices.last(where: { index[$0] + 1 < axes[$0].size }) else { return }
      index[axis] += 1
      for later in index.indices where later > axis { index[later] = 0 }
    }
  }
}

/// A dimension of a tensor: how far apart, in elements, neighbours lie in the file, and how far in
/// row-major memory.
struct StridedAxis {
  let size: Int
  let stride: Int
  let rowMajorStride: Int

  /// The dimensions with more than one index, that of the longest stride first.
  static func inFileOrder(shape: [Int], strides: [Int]) -> [StridedAxis] {
    var axes: [StridedAxis] = []
    var product = 1
    for (size, stride) in zip(shape, strides).reversed() {
      if size > 1 {
        axes.append(StridedAxis(size: size, stride: stride, rowMajorStride: product))
      }
      product *= size
    }
    return axes.sorted { $0.stride > $1.stride }
  }
}

/// A piece of a file that moves forward over it.
private struct FileWindow {
  private static let byteCount = 1 << 16

  private let end: Int
  private let buffer: UnsafeMutableRawBufferPointer
  private var loaded = 0..<0

  init(over bytes: Range<Int>) {
    end = bytes.upperBound
    buffer = .allocate(byteCount: min(Self.byteCount, max(bytes.count, 1)), alignment: 64)
  }

  func deallocate() { buffer.deallocate() }

  /// The bytes at `offset`, which `load` reads unless they are there already.
  mutating func bytes(
    at offset: Int, count: Int, _ load: (UnsafeMutableRawBufferPointer, Int) throws -> Void
  ) throws -> UnsafeRawPointer {
    if offset < loaded.lowerBound || offset + count > loaded.upperBound {
      loaded = offset..<min(offset + buffer.count, end)
      try load(UnsafeMutableRawBufferPointer(rebasing: buffer[..<loaded.count]), offset)
    }
    guard let base = buffer.baseAddress else { preconditionFailure("a window has a byte") }
    return UnsafeRawPointer(base + (offset - loaded.lowerBound))
  }
}

/// Turns the bytes of each element around.
private func reverseBytes(_ buffer: UnsafeMutableRawBufferPointer, width: Int) {
  guard width > 1 else { return }
  for start in stride(from: 0, to: buffer.count, by: width) {
    for offset in 0..<width / 2 { buffer.swapAt(start + offset, start + width - 1 - offset) }
  }
}

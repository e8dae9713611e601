import Manifests

/// A model folder in Hugging Face's layout that is made of another one's weights, and holds nothing
/// else than a model: no optimizer, no trainer state, no manifest.
package struct ModelExport {
  /// What an export has written.
  package struct Receipt: Sendable {
    /// In the order of writing.
    package let files: [FileRecord]
    package let tensors: Int
    package let parameters: Int
    /// Bytes of the weights in the type that was asked for.
    package let tensorBytes: Int
  }

  private let weights: ModelFolder
  private let type: WeightType
  private let configuration: [UInt8]
  private let files: [String]
  private let texts: [(name: String, bytes: [UInt8])]
  private let tensors: [ConvertedTensor]

  /// - Parameters:
  ///   - weights: a checkpoint, or any model folder.
  ///   - type: what the weights are rounded to, ties to even.
  ///   - configuration: config.json, written as it is.
  ///   - files: names of files in the folder of `weights`, copied.
  ///   - texts: files made of those of the same names there.
  /// - Throws: ``CheckpointError`` where two tensors would have one name.
  package init(
    of weights: ModelFolder, as type: WeightType, configuration: [UInt8], files: [String],
    texts: [(name: String, bytes: [UInt8])] = []
  ) throws {
    self.weights = weights
    self.type = type
    self.configuration = configuration
    self.files = files
    self.texts = texts
    tensors = weights.tensorNames
      .filter { !(weights.type(of: $0)?.isInteger ?? false) }
      .map { ConvertedTensor($0, of: weights, to: type) }
    var names: Set<String> = []
    for tensor in tensors where !names.insert(tensor.name).inserted {
      throw CheckpointError(
        place: "\(weights.path): tensor \(quoted(tensor.sourceName))",
        expected: "one tensor to be called \(quoted(tensor.name))", found: "another",
        remedy: "use weights that have only one of them")
    }
  }

  /// Tensors of whole numbers and truth values, such as `position_ids`: buffers that programs
  /// compute for themselves. They are not written.
  package var leftOut: [String] {
    weights.tensorNames.filter { weights.type(of: $0)?.isInteger ?? false }
  }

  /// The bytes of the weights in the type that was asked for.
  package var tensorBytes: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  /// Writes the folder, which appears whole or not at all. The same weights give the same bytes.
  ///
  /// Where the source is sealed, as checkpoints are, the files that are used are hashed first.
  /// - Parameters:
  ///   - destination: its parent must exist.
  ///   - overwriting: names of files beside config.json and weights that an earlier export may have at `destination`, which
  ///     is then replaced unless it has anything else; nil where nothing may be there.
  ///   - maxShardBytes: bytes of tensor data in a file at most; a larger tensor has one of its own.
  ///   - progress: called with the bytes of each block once it is written; may throw to end it there.
  /// - Throws: errors that name file and tensor; a weight that the type cannot hold is one.
  package func write(
    to destination: String, overwriting: [String]?, maxShardBytes: Int,
    progress: (Int) throws -> Void = { _ in }
  ) throws -> Receipt {
    precondition(maxShardBytes > 0, "a file holds at least a byte")
    let replaces = try mayReplace(destination, overwriting)
    try verifySource { try progress(0) }
    let folder = try SealedFolderWriter(
      destination: destination, creatingParents: true, replacing: replaces)
    do {
      try folder.add("config.json", content: configuration)
      try writeWeights(tensors, maxBytes: maxShardBytes, into: folder, progress)
      for name in files {
        try folder.add(name, copyOf: containedFile(name, in: weights.path))
      }
      for text in texts { try folder.add(text.name, content: text.bytes) }
      try folder.finishWithoutManifest()
    } catch {
      folder.abandon()
      throw error
    }
    return Receipt(
      files: folder.files, tensors: tensors.count,
      parameters: tensors.reduce(0) { $0 + $1.elementCount }, tensorBytes: tensorBytes)
  }

  /// Checks the hashes of the files that are read, where the source has a manifest.
  /// - Parameter proceed: called between blocks; may throw to end it there.
  private func verifySource(_ proceed: () throws -> Void) throws {
    guard exists("\(weights.path)/\(manifestName)") else { return }
    let sealed = try SealedFolder(path: weights.path)
    let used = Set(
      weights.filePaths.map { splitPath($0).name } + ["config.json"] + files + texts.map(\.name))
    for record in sealed.manifest.files where used.contains(record.name) {
      try sealed.check(record) { _ in try proceed() }
    }
  }

  private func mayReplace(_ destination: String, _ overwriting: [String]?) throws -> Bool {
    guard exists(destination) else { return false }
    guard let overwriting, isFolder(destination) else {
      throw CheckpointError(
        place: destination, expected: "nothing there yet",
        found: isFolder(destination) ? "a folder" : "a file",
        remedy: "name another folder, or replace an earlier export with --overwrite")
    }
    let other = try entries(ofFolder: destination).first { entry in
      let isExported =
        entry.name == "config.json" || isWeightsFile(entry.name)
        || overwriting.contains(entry.name)
      return entry.kind != .file || !isExported
    }
    guard let other else { return true }
    throw CheckpointError(
      place: destination, expected: "nothing but an earlier export to overwrite",
      found: quoted(other.name), remedy: "move it away, or name another folder")
  }
}

/// The element types that weights can be exported in, by PyTorch's names.
package enum WeightType: String, Sendable, CaseIterable {
  case float32, float16, bfloat16

  var elementType: ElementType {
    switch self {
    case .float32: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    }
  }
}

/// A tensor of a model folder that is rounded to another type while it is written.
private struct ConvertedTensor: WritableTensor {
  let name: String
  let sourceName: String
  let shape: [Int]
  let elementCount: Int

  private let source: ModelFolder
  private let weightType: WeightType

  init(_ sourceName: String, of source: ModelFolder, to type: WeightType) {
    self.sourceName = sourceName
    self.source = source
    weightType = type
    shape = source.shape(of: sourceName) ?? []
    elementCount = source.elementCount(of: sourceName)
    // What old conversions from TensorFlow called them.
    name = sourceName.replacing("LayerNorm.gamma", with: "LayerNorm.weight")
      .replacing("LayerNorm.beta", with: "LayerNorm.bias")
  }

  var type: ElementType { weightType.elementType }
  var byteCount: Int { elementCount * type.byteWidth }

  /// The whole tensor is in memory as float32 meanwhile.
  func withBlocks(
    scratch: UnsafeMutableRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let values = UnsafeMutablePointer<Float>.allocate(capacity: max(elementCount, 1))
    defer { values.deallocate() }
    try source.read(sourceName, shape: shape, into: values)
    guard weightType != .float32 else {
      return try body(UnsafeRawBufferPointer(start: values, count: byteCount))
    }
    let round = weightType == .float16 ? half(nearest:) : bfloat16(nearest:)
    let infinity: UInt16 = weightType == .float16 ? 0x7c00 : 0x7f80
    let room = scratch.count / 2
    for start in stride(from: 0, to: elementCount, by: room) {
      let count = min(room, elementCount - start)
      for offset in 0..<count {
        let bits = round(values[start + offset])
        if bits & 0x7fff == infinity, values[start + offset].isFinite {
          throw overflow(values[start + offset], at: start + offset)
        }
        scratch.storeBytes(of: bits.littleEndian, toByteOffset: 2 * offset, as: UInt16.self)
      }
      try body(UnsafeRawBufferPointer(rebasing: scratch[..<(2 * count)]))
    }
  }

  private func overflow(_ value: Float, at index: Int) -> CheckpointError {
    CheckpointError(
      place: "\(source.file(of: sourceName) ?? source.path): tensor \(quoted(sourceName))",
      expected: "weights that \(weightType.rawValue) can hold",
      found: "\(value) at element \(index)",
      remedy: "export with --dtype " + (weightType == .float16 ? "bfloat16" : "float32"))
  }
}

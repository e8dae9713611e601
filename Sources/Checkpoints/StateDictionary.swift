import Manifests

/// The tensors of a pickled state dict, placed in the file.
struct StateDictionary {
  /// In the order of the dictionary.
  let tensors: [TensorEntry]

  /// - Parameters:
  ///   - root: what the pickle stands for: a dictionary of tensors, or one that has such a
  ///     dictionary as its `state_dict`.
  ///   - place: the file, named in errors.
  ///   - bytesOfStorage: where the elements of a storage lie in the file, all of them.
  /// - Throws: ``CheckpointError`` for anything else than a tensor, and for tensors that leave their
  ///   storage, or whose elements overlap each other.
  init(
    _ root: PickleValue, in heap: PickleHeap, place: String,
    bytesOfStorage: (PickledStorage) throws -> Range<Int>
  ) throws {
    let members = try Self.members(of: root, in: heap, place)
    let storages = try heap.storages.map(bytesOfStorage)
    var tensors: [TensorEntry] = []
    for (name, value) in members {
      let place = "\(place): tensor \(quoted(name))"
      guard case .tensor(let index) = value else {
        throw damaged(
          place, "a tensor", value.kind,
          remedy: "save the tensors alone, with torch.save(model.state_dict(), ..)")
      }
      let tensor = heap.tensors[index]
      let type = heap.storages[tensor.storage].type
      let layout = try StridedLayout(
        shape: heap.integers(tensor.shape), strides: heap.integers(tensor.strides),
        offset: tensor.offset, storageCount: heap.storages[tensor.storage].elementCount, place)
      let start = storages[tensor.storage].lowerBound + tensor.offset * type.byteWidth
      tensors.append(
        TensorEntry(
          name: name, type: type, shape: layout.shape,
          bytes: start..<start + layout.span * type.byteWidth,
          strides: layout.isRowMajor ? nil : layout.strides))
    }
    self.tensors = tensors
  }

  private static func members(
    of root: PickleValue, in heap: PickleHeap, _ place: String
  ) throws -> [(key: String, value: PickleValue)] {
    guard case .dictionary(let index) = root else {
      throw damaged(
        place, "a dictionary of tensors", root.kind,
        remedy: "save the tensors alone, with torch.save(model.state_dict(), ..)")
    }
    let members = heap.dictionaries[index]
    let inner = members.first { $0.key == "state_dict" }?.value
    if case .dictionary(let index)? = inner { return heap.dictionaries[index] }
    return members
  }
}

/// How the elements of a tensor lie in its storage, checked.
struct StridedLayout {
  let shape: [Int]
  let strides: [Int]
  /// Elements from the first to the last, both included; 0 without elements.
  let span: Int
  let isRowMajor: Bool

  /// - Throws: ``CheckpointError`` unless each index has an element of its own in the storage.
  init(shape: [Int], strides: [Int], offset: Int, storageCount: Int, _ place: String) throws {
    guard shape.count == strides.count, (shape + strides).allSatisfy({ $0 >= 0 }),
      (0...storageCount).contains(offset)
    else {
      throw damaged(
        place, "sizes and strides from 0, and an offset of at most \(storageCount)",
        "shape \(shape), strides \(strides), offset \(offset)")
    }
    self.shape = shape
    self.strides = strides
    if shape.contains(0) {
      (span, isRowMajor) = (0, true)
      return
    }
    let axes = zip(shape, strides).filter { $0.0 > 1 }
    let room = storageCount - offset
    var last = 0
    for (size, stride) in axes.sorted(by: { $0.1 < $1.1 }) {
      // Neighbours are further apart than all that lies between them is long.
      guard stride > last else {
        throw damaged(
          place, "an element of its own for each index", "strides \(strides) for shape \(shape)",
          remedy: "save the tensor's .contiguous() copy")
      }
      let (reach, overflow) = stride.multipliedReportingOverflow(by: size - 1)
      guard !overflow, reach < room - last else {
        throw damaged(
          place, "elements within the \(storageCount) of its storage",
          "shape \(shape), strides \(strides), offset \(offset)")
      }
      last += reach
    }
    guard room > last else {
      throw damaged(place, "an element after \(offset)", "a storage of \(storageCount)")
    }
    span = last + 1
    var product = 1
    isRowMajor = axes.reversed().allSatisfy { size, stride in
      defer { product *= size }
      return stride == product
    }
  }
}

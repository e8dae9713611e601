import Foundation

@testable import Checkpoints
@testable import Manifests

private let header = """
  {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},\
  "b":{"dtype":"F16","shape":[3],"data_offsets":[24,30]},\
  "c":{"dtype":"BF16","shape":[],"data_offsets":[30,32]},\
  "d":{"dtype":"I64","shape":[0,5],"data_offsets":[32,32]}}
  """

private let safetensorsWords =
  jsonWords + ElementType.allCases.map { "\"\($0.rawValue)\"" } + [
    "\"dtype\":", "\"shape\":", "\"data_offsets\":", "\"__metadata__\":", "[0,0]", "4294967296",
  ]

let checkpointTargets = [
  // Two bytes with the size of the data, then the header.
  FuzzTarget(
    "safetensors-header", seeds: [[32, 0] + Array(header.utf8), [0, 0] + Array("{}".utf8)],
    words: safetensorsWords
  ) { bytes in
    guard bytes.count >= 2 else { return }
    let dataByteCount = Int(bytes[0]) | Int(bytes[1]) << 8
    let parsed = try SafetensorsHeader(
      parsing: Array(bytes[2...]), dataByteCount: dataByteCount, path: "model.safetensors")
    check(parsed.tensors, dataByteCount: dataByteCount)
  },
  FuzzTarget("safetensors", seeds: [safetensors(), safetensors("{}", 0)], words: safetensorsWords) {
    let path = write($0, to: "model.safetensors")
    let file = try SafetensorsFile(path: path)
    check(file.tensors, dataByteCount: file.tensors.last?.bytes.upperBound ?? 0)
    for tensor in file.tensors {
      // Exactly as large as it must be, so that the address sanitizer sees what goes beyond.
      let memory = UnsafeMutablePointer<Float>.allocate(capacity: tensor.elementCount)
      defer { memory.deallocate() }
      do { try file.read(tensor, shape: tensor.shape, into: memory) } catch {
        require(!tensor.type.widensToFloat32, "a float tensor that is there was not read: \(error)")
      }
    }
  },
  FuzzTarget(
    "model-folder",
    seeds: [
      #"{"metadata":{"total_size":8},"weight_map":{"a":"x.safetensors","b":"y.safetensors"}}"#,
      #"{"weight_map":{"secret":"../outside.safetensors"}}"#,
      #"{"weight_map":{"a":"link.safetensors"}}"#, #"{"weight_map":{"a":"inner.safetensors"}}"#,
    ].map { Array($0.utf8) },
    words: jsonWords + [
      "\"weight_map\":", "\"x.safetensors\"", "\"y.safetensors\"", "\"link.safetensors\"",
      "\"../outside.safetensors\"", "\"a\":", "\"b\":", "\"secret\":", "\"inner.safetensors\"",
    ]
  ) { bytes in
    _ = write(bytes, to: indexedFolder + "/model.safetensors.index.json")
    let folder = try ModelFolder(path: scratch + "/" + indexedFolder)
    for name in folder.tensorNames {
      require(name != "secret", "a file outside of the folder was read")
      require(folder.shape(of: name) == [1], "a tensor has the shape that its file says")
      var value: Float = 0
      try folder.read(name, shape: [1], into: &value)
      require(value == 0, "a tensor is read as written")
    }
  },
]

/// A model folder of two weight files, a link within, and a link to a file outside of it.
private let indexedFolder: String = {
  let name = "indexed"
  mkdir("\(scratch)/\(name)", 0o700)
  for (file, tensor) in [("x", "a"), ("y", "b"), ("../outside", "secret")] {
    let header = #"{"\#(tensor)":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
    _ = write(safetensors(header, 4), to: "\(name)/\(file).safetensors")
  }
  symlink("../outside.safetensors", "\(scratch)/\(name)/link.safetensors")
  symlink("x.safetensors", "\(scratch)/\(name)/inner.safetensors")
  return name
}()

private func safetensors(_ header: String = header, _ dataByteCount: Int = 32) -> [UInt8] {
  let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
  return length + header.utf8 + [UInt8](repeating: 0, count: dataByteCount)
}

/// Tensors cover the data without gap or overlap, and their shapes agree with their bytes.
private func check(_ tensors: [TensorEntry], dataByteCount: Int) {
  var end = 0
  for tensor in tensors {
    require(tensor.bytes.lowerBound == end, "tensors follow each other")
    end = tensor.bytes.upperBound
    require(
      tensor.shape.reduce(tensor.type.byteWidth, *) == tensor.bytes.count, "a shape of its bytes")
    require(tensor.elementCount * tensor.type.byteWidth == tensor.bytes.count, "whole elements")
  }
  require(end == dataByteCount, "tensors end where the data does")
}

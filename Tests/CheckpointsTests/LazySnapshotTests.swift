import Foundation
import Manifests
import Testing

@testable import Checkpoints

@Suite struct LazySnapshotTests {
  /// Two regions of odd sizes, over several blocks of tracking and far from whole ones.
  private static let counts = [300_001, 70_003]

  private func fill(_ regions: [UnsafeMutableBufferPointer<Float>], with offset: Float) {
    for (number, region) in regions.enumerated() {
      for index in region.indices { region[index] = Float(index) + offset + Float(number) / 2 }
    }
  }

  private func serial(_ blocks: Int, _ body: (Int) -> Void) {
    for block in 0..<blocks { body(block) }
  }

  /// Takes everything in two halves, with `between` in the middle, and returns what was taken.
  private func take(
    _ regions: [UnsafeMutableBufferPointer<Float>], from snapshot: LazySnapshot,
    between: () -> Void
  ) throws -> [Float] {
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 4000, alignment: 64)
    defer { scratch.deallocate() }
    var taken: [UInt8] = []
    let bytes = regions.map { UnsafeRawBufferPointer($0) }
    let parts = bytes.flatMap { region in
      let middle = region.count / 2 & ~3
      return [region[..<middle], region[middle...]].map { UnsafeRawBufferPointer(rebasing: $0) }
    }
    for (number, part) in parts.enumerated() {
      if number == 1 { between() }
      try snapshot.withBlocks(of: part, scratch: scratch) { taken.append(contentsOf: $0) }
    }
    return taken.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  @Test(
    "What is taken is what was there, whether before or after the memory changed",
    arguments: [false, true])
  func keepsTheMoment(reserves: Bool) throws {
    let regions = Self.counts.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: $0) }
    defer { for region in regions { region.deallocate() } }
    fill(regions, with: 0)
    let expected = regions.flatMap { Array($0) }
    let snapshot = LazySnapshot(of: regions.map { UnsafeRawBufferPointer($0) })
    if reserves { snapshot.reserve() }
    let taken = try take(regions, from: snapshot) {
      #expect(snapshot.detach(serial))
      fill(regions, with: -5)
    }
    #expect(taken == expected)
  }

  @Test("Detaching copies only what has not been taken, and nothing the second time")
  func copiesTheRest() throws {
    let regions = Self.counts.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: $0) }
    defer { for region in regions { region.deallocate() } }
    fill(regions, with: 0)
    let snapshot = LazySnapshot(of: regions.map { UnsafeRawBufferPointer($0) })
    var copied = 0
    _ = try take(regions, from: snapshot) {
      _ = snapshot.detach { blocks, body in
        copied = blocks
        serial(blocks, body)
      }
    }
    // Half of the first region, 600,000 bytes, was taken: two whole blocks of its five.
    #expect(copied == 3 + 2)
    var again = 0
    #expect(snapshot.detach { blocks, _ in again = blocks })
    #expect(again == 0)
  }

  @Test("A checkpoint written while its memory changes has the bytes of one moment")
  func writesTheMoment() async throws {
    let folder = try TemporaryFolder()
    let tensors = OwnedTensors([("a", [700, 1000]), ("b", [300_003]), ("c", [5])], seed: 3)
    let moments = [5, 6].map { OwnedTensors([("a", [700, 1000]), ("c", [5])], seed: $0) }
    let before = CheckpointContents(
      weights: tensors.views, expAvg: moments[0].views, expAvgSq: moments[1].views,
      maxShardBytes: 2_000_000)
    let expected = try writeCheckpoint(before, to: folder("before"))
    let regions = (tensors.views + moments.flatMap(\.views)).map {
      UnsafeMutableRawBufferPointer(
        start: UnsafeMutableRawPointer(mutating: $0.base), count: $0.byteCount)
    }
    let snapshot = LazySnapshot(of: regions.map { UnsafeRawBufferPointer($0) })
    var contents = before
    for part in [\CheckpointContents.weights, \.expAvg, \.expAvgSq] {
      for index in contents[keyPath: part].indices {
        contents[keyPath: part][index].snapshot = snapshot
      }
    }
    var blocks = 0
    // The tensors own the memory.
    let written = try withExtendedLifetime((tensors, moments)) {
      try writeCheckpoint(contents, to: folder("after")) { _ in
        blocks += 1
        guard blocks == 3 else { return }
        #expect(snapshot.detach(serial))
        for region in regions { region.initializeMemory(as: UInt8.self, repeating: 0x55) }
      }
    }
    #expect(written.files == expected.files)
    #expect(blocks > 3)
  }
}

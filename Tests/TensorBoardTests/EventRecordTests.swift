import Foundation
import Testing

@testable import TensorBoard

@Suite struct EventRecordTests {
  private let time = Date(timeIntervalSince1970: 1_700_000_000.5)

  @Test("checksums are those of RFC 3720 and of TensorFlow's masking")
  func checksums() {
    #expect(CRC32C.checksum("123456789".utf8) == 0xe306_9283)
    #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
    #expect(CRC32C.checksum([UInt8](repeating: 255, count: 32)) == 0x62a8_ab43)
    #expect(CRC32C.checksum([]) == 0)
    #expect(CRC32C.masked([]) == 0xa282_ead8)
  }

  @Test("a record is length, checksum, event, checksum")
  func frames() throws {
    let bytes = try EventRecord.scalars(
      [Scalar("train/loss", 0.1), Scalar("b", -3)], step: 300, at: time)
    let length = Int(bytes[0]) | Int(bytes[1]) << 8
    #expect(bytes.count == 8 + 4 + length + 4)
    #expect(Array(bytes[8..<12]) == littleEndian(CRC32C.masked(bytes[..<8])))
    let data = bytes[12..<12 + length]
    #expect(Array(bytes.suffix(4)) == littleEndian(CRC32C.masked(data)))
    let event = try Tensorboard_Event(serializedBytes: Array(data))
    #expect(event.wallTime == 1_700_000_000.5)
    #expect(event.step == 300)
    #expect(event.summary.value.map(\.tag) == ["train/loss", "b"])
    #expect(event.summary.value.map(\.simpleValue) == [0.1, -3])
  }

  @Test("a session's start has a step, also the bytes that protoc's own encoder gives")
  func sessionStart() throws {
    let bytes = try EventRecord.sessionStart(step: 7, at: Date(timeIntervalSince1970: 0))
    // Field 2, varint 7; field 7, two bytes: field 1, varint 1. A wall time of 0 is left out.
    #expect(Array(bytes[12..<bytes.count - 4]) == [0x10, 7, 0x3a, 2, 0x08, 1])
    let version = try EventRecord.fileVersion(at: time)
    #expect(String(decoding: version, as: UTF8.self).contains("brain.Event:2"))
  }

  @Test("a file's name comes after all others, whatever the clock says")
  func names() {
    let name = { (names: [String]) in
      EventFileName.next(after: names, at: time, host: "node-1", process: 9)
    }
    #expect(name([]) == "events.out.tfevents.1700000000.node-1.9.lockstep")
    #expect(
      name(["events.out.tfevents.1700000000.node-1.8.lockstep", "notes.txt"])
        == "events.out.tfevents.1700000001.node-1.9.lockstep")
    #expect(
      name(["events.out.tfevents.1800000000.a.b", "events.out.tfevents.x"])
        == "events.out.tfevents.1800000001.node-1.9.lockstep")
  }

  private func littleEndian(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }
}

import ObjectStore
import Testing

@Suite("Times of services")
struct TimeTests {
  @Test(
    "a second is written in the forms of signatures and of HTTP",
    arguments: [
      (0, "19700101T000000Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
      (1_369_353_600, "20130524T000000Z", "Fri, 24 May 2013 00:00:00 GMT"),
      (951_782_399, "20000228T235959Z", "Mon, 28 Feb 2000 23:59:59 GMT"),
      (951_868_799, "20000229T235959Z", "Tue, 29 Feb 2000 23:59:59 GMT"),
      (4_107_542_399, "21000228T235959Z", "Sun, 28 Feb 2100 23:59:59 GMT"),
      (-1, "19691231T235959Z", "Wed, 31 Dec 1969 23:59:59 GMT"),
    ])
  func written(seconds: Int64, basic: String, http: String) {
    let time = UTCTime(seconds: seconds)
    #expect(time.basic == basic)
    #expect(time.httpDate == http)
    #expect(UTCTime(httpDate: http) == time)
  }

  @Test("every day of four centuries is read back")
  func days() {
    for day in stride(from: Int64(-100_000), to: 50_000, by: 1) {
      let time = UTCTime(seconds: day * 86_400 + 3_661)
      #expect(UTCTime(httpDate: time.httpDate) == time)
    }
  }

  @Test("times of listings are read with and without a fraction")
  func iso() {
    #expect(UTCTime(iso8601: "2009-10-12T17:50:30.000Z")?.seconds == 1_255_369_830)
    #expect(UTCTime(iso8601: "2009-10-12T17:50:30Z")?.seconds == 1_255_369_830)
    #expect(UTCTime(iso8601: "2009-10-12T17:50:30.123456789Z")?.seconds == 1_255_369_830)
  }

  @Test(
    "what is no time is none",
    arguments: [
      "", "now", "2009-13-12T17:50:30Z", "2009-02-30T17:50:30Z", "2009-10-12 17:50:30Z", "2009-10-12T17:50:30",
      "2009-10-12T24:50:30Z", "2009-10-12T17:50:30.x0Z", "2009-10-12T17:5é:30Z", "Fri, 31 Jun 2013 00:00:00 GMT",
      "Fri, 24 May 2013 00:00:00 CET", "Fri, 24 Mai 2013 00:00:00 GMT", "Fri, 24 May 2013 00:00 GMT",
      "Fri, 4 May 2013 00:00:00 GMT", "Friday, 24-May-13 00:00:00 GMT",
    ])
  func malformed(text: String) {
    #expect(UTCTime(iso8601: text) == nil)
    #expect(UTCTime(httpDate: text) == nil)
  }
}

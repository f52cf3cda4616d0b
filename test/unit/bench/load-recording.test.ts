import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Recording } from '../../../bench/load-recording.js';

/** Two windows of a second from 10,000 on, three clients. */
const newRecording = () => new Recording(10_000, 1_000, 2, 3);

test('an answer counts for its client in the window in which it came', () => {
  const recording = newRecording();
  recording.answered(1, 9_990, 10_000);
  recording.answered(1, 10_990, 11_010);
  recording.answered(2, 11_990, 11_999);
  assert.deepEqual(
    recording.windows.map(({ answers }) => [...answers]),
    [
      [0, 1, 0],
      [0, 1, 1],
    ],
  );
});

test('what comes before or after the windows is not counted', () => {
  const recording = newRecording();
  recording.answered(0, 9_990, 9_999);
  recording.answered(0, 11_990, 12_000);
  assert.deepEqual(recording, newRecording());
});

test('times are in microseconds', () => {
  const recording = newRecording();
  recording.answered(0, 10_000, 10_025);
  assert.equal(recording.windows[0]?.times.highest, 25_000);
});

test('a client that still waits at the end counts if nobody waited longer', () => {
  const recording = newRecording();
  recording.answered(0, 11_000, 11_500);
  recording.leftWaiting(11_600);
  recording.leftWaiting(10_500);
  assert.equal(recording.windows[1]?.times.highest, 1_500_000);
  assert.equal(
    recording.windows[1]?.times.counts.reduce((sum, count) => sum + count),
    2,
  );
});

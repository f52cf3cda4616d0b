/** What a client takes along from server to server: the commands that bring a session there, and PostgreSQL's spelling. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spelledAs, TrackedParameters, trackedName } from '../../../src/pooler/tracked-parameters.js';

function parameters(values: Record<string, string>): TrackedParameters {
  const made = new TrackedParameters();
  for (const [name, value] of Object.entries(values)) made.set(name, value);
  return made;
}

test('only what differs is set, and what is not known is left alone', () => {
  const clients = parameters({ TimeZone: 'Asia/Tokyo', DateStyle: 'ISO, MDY' });
  const servers = parameters({ TimeZone: 'UTC', DateStyle: 'ISO, MDY', IntervalStyle: 'postgres' });
  assert.equal(clients.commandsFrom(servers), "SET TimeZone TO E'Asia/Tokyo';");
  assert.equal(servers.commandsFrom(servers), '');
});

test('a value is quoted so that it is one value, whatever stands in it', () => {
  const commands = parameters({ application_name: "a'b\\c" }).commandsFrom(new TrackedParameters());
  assert.equal(commands, "SET application_name TO E'a\\'b\\\\c';");
});

test('names are known in any case, others are not tracked', () => {
  assert.equal(trackedName('timezone'), 'TimeZone');
  assert.equal(trackedName('search_path'), undefined);
  assert.equal(parameters({ search_path: 'x' }).commandsFrom(new TrackedParameters()), '');
});

test('what is adopted is what the other knows', () => {
  const clients = parameters({ DateStyle: 'ISO', TimeZone: 'UTC' });
  clients.adopt(parameters({ DateStyle: 'ISO, MDY' }));
  assert.equal(clients.commandsFrom(parameters({ DateStyle: 'ISO, MDY' })), "SET TimeZone TO E'UTC';");
});

test('the greeting spells a value as PostgreSQL does', () => {
  assert.equal(spelledAs('client_encoding', "'utf-8'", 'UTF8'), 'UTF8');
  assert.equal(spelledAs('client_encoding', 'unicode', 'SQL_ASCII'), 'UTF8');
  assert.equal(spelledAs('client_encoding', 'latin1', 'UTF8'), 'latin1');
  assert.equal(spelledAs('DateStyle', 'iso', 'ISO, MDY'), 'ISO, MDY');
  assert.equal(spelledAs('DateStyle', 'German', 'ISO, MDY'), 'German');
  assert.equal(spelledAs('TimeZone', 'etc/utc', 'Etc/UTC'), 'Etc/UTC');
  assert.equal(spelledAs('application_name', 'Me', undefined), 'Me');
});

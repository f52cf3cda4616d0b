/** A strict reader of Prometheus's text format: whatever the format or its conventions forbid is an error.
 *  https://prometheus.io/docs/instrumenting/exposition_formats */
import assert from 'node:assert/strict';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const VALUE = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;

/** Reads a page; throws an AssertionError that names the line. */
export function readExposition(page: string): Map<string, Family> {
  assert.ok(page.endsWith('\n'), 'the last line has an end');
  const families = new Map<string, Family>();
  let family: Family | null = null;
  let helpName = '';
  let help = '';
  for (const line of page.slice(0, -1).split('\n')) {
    const isHelp = new RegExp(`^# HELP (${NAME}) (.+)$`).exec(line);
    const isType = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`).exec(line);
    if (isHelp !== null) [, helpName = '', help = ''] = isHelp;
    else if (isType !== null) {
      const name = isType[1] ?? '';
      assert.equal(helpName, name, `HELP stands before TYPE: ${line}`);
      assert.ok(!families.has(name), `one block for a metric: ${line}`);
      family = { name, type: isType[2] ?? '', help, samples: [] };
      families.set(name, family);
    } else {
      assert.ok(family !== null, `no metric has begun: ${line}`);
      family.samples.push(readSample(line, family));
    }
  }
  for (const each of families.values()) checkFamily(each);
  return families;
}

/** The value of the one sample that has these labels, whatever others it has. */
export function sampleValue(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const base = name.replace(/_(bucket|sum|count)$/, '');
  const samples = (families.get(name) ?? families.get(base))?.samples ?? [];
  const found = samples.filter(
    (each) =>
      each.name === name && Object.entries(labels).every(([label, value]) => each.labels[label] === value),
  );
  assert.equal(found.length, 1, `one sample of ${name} ${JSON.stringify(labels)}`);
  return found[0]?.value ?? Number.NaN;
}

function readSample(line: string, { name: family, type }: Family): Sample {
  const match = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`).exec(line);
  assert.ok(match !== null, `a sample: ${line}`);
  const [, name = '', labels = '', value = ''] = match;
  const names =
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => family + suffix) : [family];
  assert.ok(names.includes(name), `a sample of ${family}: ${line}`);
  assert.match(value, VALUE, `a number: ${line}`);
  return { name, labels: readLabels(labels, line), value: Number(value.replace('Inf', 'Infinity')) };
}

function readLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let at = 0;
  while (at < text.length) {
    LABEL.lastIndex = at;
    const match = LABEL.exec(text);
    assert.ok(match !== null, `labels: ${line}`);
    const [all, name = '', value = ''] = match;
    assert.ok(!(name in labels), `a label once: ${line}`);
    labels[name] = value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
    at += all.length;
  }
  return labels;
}

function checkFamily({ name, type, samples }: Family): void {
  const keys = samples.map((each) => each.name + JSON.stringify(Object.entries(each.labels).toSorted()));
  assert.equal(new Set(keys).size, keys.length, `no sample of ${name} comes twice`);
  const shapes = samples.map(({ labels }) =>
    Object.keys(labels)
      .filter((label) => label !== 'le')
      .join(),
  );
  assert.ok(new Set(shapes).size <= 1, `all samples of ${name} have the same labels`);
  if (type === 'counter') {
    assert.match(name, /_total$/, 'a counter ends in _total');
    for (const { value } of samples) assert.ok(value >= 0, `${name} is not negative`);
  }
  if (type === 'histogram') checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const series = new Map<string, Sample[]>();
  for (const each of samples) {
    const { le: _, ...others } = each.labels;
    const labels = JSON.stringify(others);
    series.set(labels, [...(series.get(labels) ?? []), each]);
  }
  for (const [labels, members] of series) {
    const buckets = members.filter((each) => each.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels: { le = '' } }) => Number(le.replace('Inf', 'Infinity')));
    assert.ok(
      bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] ?? 0)),
      `bounds grow: ${name} ${labels}`,
    );
    assert.ok(
      buckets.every(({ value }, i) => i === 0 || value >= (buckets[i - 1]?.value ?? 0)),
      `buckets are cumulative: ${name} ${labels}`,
    );
    assert.equal(bounds.at(-1), Number.POSITIVE_INFINITY, `the last bucket takes all: ${name} ${labels}`);
    const count = members.find((each) => each.name === `${name}_count`)?.value;
    assert.equal(buckets.at(-1)?.value, count, `+Inf is the count: ${name} ${labels}`);
    assert.ok(
      members.some((each) => each.name === `${name}_sum`),
      `a sum: ${name} ${labels}`,
    );
  }
}

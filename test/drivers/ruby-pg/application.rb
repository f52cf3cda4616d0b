# What applications in Ruby do with the gem pg (libpq underneath), through the pooler. The environment says where it is.
require 'pg'
require 'json'

CLIENTS = 16
LARGE = 5_000_000
CHECKS = []
$stdout.sync = true

# A check gets a connection of its own.
def check(what, &code)
  CHECKS << [what, code]
end

def same(got, expected)
  return if got == expected

  raise "got #{got.inspect[0, 100]}, not #{expected.inspect[0, 100]}"
end

def fails_with(error)
  yield
rescue error
  nil
else
  raise "no #{error}"
end

def value(connection, sql, parameters = [])
  connection.exec_params(sql, parameters).getvalue(0, 0)
end

check 'a statement is prepared once and used in many transactions' do |connection|
  connection.prepare('item', 'select name from ruby_items where id = $1')
  (1..50).each do |i|
    connection.transaction do
      same(connection.exec_prepared('item', [i]).getvalue(0, 0), "item #{i}")
    end
    same(connection.exec_prepared('item', [i]).getvalue(0, 0), "item #{i}")
  end
end

check 'the same, synchronously' do |connection|
  connection.sync_prepare('item', 'select name from ruby_items where id = $1')
  (1..20).each do |i|
    connection.sync_exec('begin')
    same(connection.sync_exec_prepared('item', [i]).getvalue(0, 0), "item #{i}")
    connection.sync_exec('commit')
    same(connection.sync_exec_params('select $1::int * 2', [i]).getvalue(0, 0), (2 * i).to_s)
  end
end

check 'prepared statements are described' do |connection|
  connection.prepare('described', 'select $1 as big, $2::text[] as list', [20])
  described = connection.describe_prepared('described')
  same([described.nparams, described.paramtype(0), described.paramtype(1)], [2, 20, 1009])
  same(described.fields, %w[big list])
  fails_with(PG::InvalidSqlStatementName) { connection.describe_prepared('nothing') }
end

check 'deallocated statements are gone, and their names free' do |connection|
  connection.prepare('gone', 'select $1::int')
  connection.exec('deallocate gone')
  fails_with(PG::InvalidSqlStatementName) { connection.exec_prepared('gone', [1]) }
  connection.prepare('gone', 'select $1::int * 10')
  same(connection.exec_prepared('gone', [1]).getvalue(0, 0), '10')
  connection.exec('deallocate all')
  fails_with(PG::InvalidSqlStatementName) { connection.exec_prepared('gone', [1]) }
end

check 'a name that is prepared twice keeps working in either meaning' do |connection|
  connection.prepare('twice', 'select 1')
  begin
    connection.prepare('twice', 'select 2') # an error in PostgreSQL; the pooler takes what is said last
    same(connection.exec_prepared('twice').getvalue(0, 0), '2')
  rescue PG::DuplicatePstatement
    same(connection.exec_prepared('twice').getvalue(0, 0), '1')
  end
end

check 'parameters and results of many types, with type maps' do |connection|
  connection.type_map_for_results = PG::BasicTypeMapForResults.new(connection)
  row = connection.exec_params(
    'select $1::int, $2::float8, $3::boolean, $4::int[], $5::json, $6::numeric, $7::text, $8::text',
    [41, 1.5, true, '{1,2,3}', '{"a":[1,null]}', '12345678901234567890.125', nil, 'Grüße, 世界 🐘']
  ).values.first
  same(row[0..3], [41, 1.5, true, [1, 2, 3]])
  same(row[4], { 'a' => [1, nil] })
  same(row[5], BigDecimal('12345678901234567890.125'))
  same(row[6..7], [nil, 'Grüße, 世界 🐘'])
end

check 'parameters and results in binary format' do |connection|
  bytes = { value: [0, 1, 255, 0].pack('C*'), format: 1, type: 17 }
  number = { value: [41].pack('N'), format: 1, type: 23 }
  result = connection.exec_params('select $1, $2 + 1', [bytes, number], 1)
  same(result.getvalue(0, 0).b, bytes[:value].b)
  same(result.getvalue(0, 1).unpack1('N'), 42)
end

check 'values of 5 MB both ways, as text and as bytea' do |connection|
  text = ('a'..'z').to_a.join * (LARGE / 26)
  same(value(connection, 'select $1::text', [text]) == text, true)
  bytes = (0..255).to_a.pack('C*') * (LARGE / 256)
  result = connection.exec_params('select $1::bytea', [{ value: bytes, format: 1 }], 1)
  same(result.getvalue(0, 0).b == bytes.b, true)
end

check 'errors are what PostgreSQL says, and the connection goes on' do |connection|
  fails_with(PG::SyntaxError) { connection.exec('selct 1') }
  fails_with(PG::DivisionByZero) { connection.exec_params('select 1 / $1::int', [0]) }
  fails_with(PG::UndefinedColumn) { connection.prepare('bad', 'select nothing') }
  fails_with(PG::InvalidSqlStatementName) { connection.exec_prepared('bad') }
  begin
    connection.exec_params('insert into ruby_items values ($1, $2)', [1, 'twice'])
    raise 'no error'
  rescue PG::UniqueViolation => e
    same(e.result.error_field(PG::PG_DIAG_CONSTRAINT_NAME), 'ruby_items_pkey')
  end
  same(value(connection, 'select 1'), '1')
end

check 'a transaction is rolled back when its block fails' do |connection|
  connection.prepare('insert', 'insert into ruby_items values ($1, $2)')
  3.times do
    fails_with(PG::UniqueViolation) do
      connection.transaction do
        connection.exec_prepared('insert', [-1, 'undone'])
        connection.exec_prepared('insert', [1, 'twice'])
      end
    end
    same(connection.transaction_status, PG::PQTRANS_IDLE)
    same(value(connection, 'select count(*) from ruby_items'), '1000')
  end
end

check 'savepoints: back to one after an error, and on' do |connection|
  connection.exec('begin')
  connection.exec("insert into ruby_items values (-1, 'kept')")
  connection.exec('savepoint here')
  fails_with(PG::UniqueViolation) { connection.exec_params('insert into ruby_items values ($1)', [-1]) }
  fails_with(PG::InFailedSqlTransaction) { connection.exec('select 1') }
  connection.exec('rollback to here')
  same(value(connection, 'select name from ruby_items where id = $1', [-1]), 'kept')
  connection.exec('rollback')
end

check 'several statements in one query' do |connection|
  connection.send_query('select 1; select 1/0; select 2')
  same(connection.get_result.getvalue(0, 0), '1')
  fails_with(PG::DivisionByZero) { connection.get_result.check }
  same(connection.get_result, nil)
end

check 'rows are streamed, to the end and to an error' do |connection|
  connection.send_query_params('select i from generate_series(1, $1::int) i', [2000])
  connection.set_single_row_mode
  same(connection.get_result.stream_each_row.map { |row| row[0].to_i }, (1..2000).to_a)
  connection.get_last_result
  connection.send_query('select 100 / (900 - i) from generate_series(1, 1000) i')
  connection.set_single_row_mode
  899.times { same(connection.get_result.result_status, PG::PGRES_SINGLE_TUPLE) }
  fails_with(PG::DivisionByZero) { connection.get_result.check }
  connection.discard_results
  same(value(connection, 'select 3'), '3')
end

check 'a cursor is fetched in parts' do |connection|
  seen = []
  connection.transaction do
    connection.exec('declare walk cursor for select id from ruby_items order by id')
    loop do
      part = connection.exec('fetch 300 from walk').column_values(0)
      break if part.empty?

      seen.concat(part)
    end
  end
  same(seen, (1..1000).map(&:to_s))
end

check 'pipeline: hundreds of statements and their answers' do |connection|
  3.times do |round|
    connection.enter_pipeline_mode
    connection.send_prepare("piped #{round}", 'select $1::int * 2')
    200.times { |i| connection.send_query_prepared("piped #{round}", [i]) }
    connection.pipeline_sync
    connection.get_result.check
    same(connection.get_result, nil)
    200.times do |i|
      same(connection.get_result.getvalue(0, 0), (2 * i).to_s)
      same(connection.get_result, nil)
    end
    same(connection.get_result.result_status, PG::PGRES_PIPELINE_SYNC)
    connection.exit_pipeline_mode
  end
end

check 'pipeline: an error skips to the sync, and no further' do |connection|
  2.times do
    connection.enter_pipeline_mode
    connection.send_query_params('select 1', [])
    connection.send_query_params('select 1/0', [])
    connection.send_query_params("insert into ruby_items values (-9, 'skipped')", [])
    connection.pipeline_sync
    connection.send_query_params('select count(*) from ruby_items where id = -9', [])
    connection.pipeline_sync
    same(connection.get_result.getvalue(0, 0), '1')
    connection.get_result
    fails_with(PG::DivisionByZero) { connection.get_result.check }
    connection.get_result
    same(connection.get_result.result_status, PG::PGRES_PIPELINE_ABORTED)
    connection.get_result
    same(connection.get_result.result_status, PG::PGRES_PIPELINE_SYNC)
    same(connection.get_result.getvalue(0, 0), '0')
    connection.get_result
    same(connection.get_result.result_status, PG::PGRES_PIPELINE_SYNC)
    connection.exit_pipeline_mode
  end
end

check 'pipeline: answers come when a flush is requested' do |connection|
  connection.enter_pipeline_mode
  10.times do |i|
    connection.send_query_params('select $1::int', [i])
    connection.send_flush_request
    connection.flush
    same(connection.get_result.getvalue(0, 0), i.to_s)
    same(connection.get_result, nil)
  end
  connection.pipeline_sync
  same(connection.get_result.result_status, PG::PGRES_PIPELINE_SYNC)
  connection.exit_pipeline_mode
end

check 'COPY in and out' do |connection|
  connection.exec('create table ruby_copied (id int, name text)')
  encoder = PG::TextEncoder::CopyRow.new
  connection.copy_data('copy ruby_copied from stdin', encoder) do
    20_000.times { |i| connection.put_copy_data([i, "name\t#{i}"]) }
  end
  decoder = PG::TextDecoder::CopyRow.new
  rows = []
  connection.copy_data('copy (select * from ruby_copied order by id) to stdout', decoder) do
    while (row = connection.get_copy_data)
      rows << row
    end
  end
  same(rows, (0...20_000).map { |i| [i.to_s, "name\t#{i}"] })
end

check 'COPY that fails or is given up' do |connection|
  connection.exec('create table ruby_uncopied (id int, name text)')
  fails_with(PG::InvalidTextRepresentation) do
    connection.copy_data('copy ruby_uncopied from stdin') { 500.times { connection.put_copy_data("no number\tx\n") } }
  end
  fails_with(RuntimeError) do
    connection.copy_data('copy ruby_uncopied from stdin') do
      connection.put_copy_data("1\tx\n")
      raise 'given up'
    end
  end
  fails_with(PG::DivisionByZero) do
    connection.copy_data('copy (select 1 / (500 - i) from generate_series(1, 1000) i) to stdout') do
      nil while connection.get_copy_data
    end
  end
  fails_with(PG::NotAllCopyDataRetrieved) do
    connection.copy_data('copy (select generate_series(1, 100000)) to stdout') { connection.get_copy_data }
  end
  same(value(connection, 'select count(*) from ruby_uncopied'), '0')
end

check 'a running query is cancelled, and the connection goes on' do |connection|
  watcher = PG.connect
  running = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%ruby cancels #{$$}%'" \
            ' and pid <> pg_backend_pid()'
  3.times do
    connection.send_query("select pg_sleep(30) /* ruby cancels #{$$} */")
    nil until value(watcher, running) == '1'
    same(connection.cancel, nil)
    fails_with(PG::QueryCanceled) { connection.get_last_result }
    same(value(connection, 'select 4'), '4')
  end
  connection.cancel # nothing runs
  20.times { same(value(connection, 'select 5'), '5') }
  watcher.close
end

check 'a query runs into its timeout' do |connection|
  fails_with(PG::QueryCanceled) do
    connection.transaction do
      connection.exec('set local statement_timeout = 50')
      connection.exec('select pg_sleep(30)')
    end
  end
  same(value(connection, 'show statement_timeout'), '0')
end

check 'asynchronous queries, waited for at the socket' do |connection|
  connection.setnonblocking(true)
  20.times do |i|
    connection.send_query_params('select $1::int, repeat($2, 20000)', [i, 'xyz'])
    connection.flush
    connection.socket_io.wait_readable(10)
    connection.consume_input
    connection.block if connection.is_busy
    result = connection.get_last_result
    same([result.getvalue(0, 0), result.getlength(0, 1)], [i.to_s, 60_000])
  end
end

check 'large objects' do |connection|
  data = Random.new(1).bytes(300_000)
  id = nil
  connection.transaction do
    id = connection.lo_creat
    file = connection.lo_open(id, PG::INV_WRITE)
    same(connection.lo_write(file, data), data.bytesize)
    connection.lo_close(file)
  end
  connection.transaction do
    file = connection.lo_open(id, PG::INV_READ)
    same(connection.lo_read(file, data.bytesize).b == data.b, true)
    connection.lo_unlink(id)
  end
end

check 'notices come in their order' do |connection|
  heard = []
  connection.set_notice_processor { |message| heard << message }
  connection.exec("do $$begin for i in 1..3 loop raise notice 'notice %', i; end loop; end$$")
  same(heard.map(&:strip), (1..3).map { |i| "NOTICE:  notice #{i}" })
end

check 'a connection is reset, and knows no statement of before' do |connection|
  connection.prepare('before', 'select 1')
  connection.reset
  fails_with(PG::InvalidSqlStatementName) { connection.exec_prepared('before') }
  same(value(connection, 'select 2'), '2')
end

check 'more clients than servers, each with its own answers' do
  clients = (1..CLIENTS).map do |number|
    Thread.new do
      Thread.current.report_on_exception = false
      connection = PG.connect
      connection.prepare('mine', "select $1::int * #{number} + #{number}")
      connection.prepare('shared', "select $1::text || '!'")
      40.times do |i|
        connection.transaction do
          same(connection.exec_prepared('mine', [i]).getvalue(0, 0), (i * number + number).to_s)
          same(connection.exec_prepared('shared', ["#{number}.#{i}"]).getvalue(0, 0), "#{number}.#{i}!")
        end
        fails_with(PG::DivisionByZero) { value(connection, 'select 1 / $1::int', [0]) } if (i % 8).zero?
        same(connection.exec_prepared('mine', [i]).getvalue(0, 0), (i * number + number).to_s)
      end
      connection.close
    end
  end
  clients.each(&:join)
end

puts "driver ruby-pg #{PG::VERSION}"
PG.connect do |connection|
  connection.exec('set client_min_messages = warning')
  connection.exec('drop table if exists ruby_items, ruby_copied, ruby_uncopied')
  connection.exec('create table ruby_items (id int primary key, name text)')
  connection.exec("insert into ruby_items select i, 'item ' || i from generate_series(1, 1000) i")
end
CHECKS.each do |what, code|
  connection = PG.connect
  code.call(connection)
  puts "ok #{what}"
rescue StandardError => e
  puts "not ok #{what}: #{e.class}: #{e.message.gsub(/\s+/, ' ')} (#{e.backtrace.grep(/application/).first})"
ensure
  connection&.close
end

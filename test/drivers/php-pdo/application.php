<?php

/**
 * What applications in PHP do with PDO and with the functions pg_* (libpq underneath both), through the pooler. The
 * environment says where it is.
 */

declare(strict_types=1);

const CLIENTS = 16;
const LARGE = 5_000_000;

set_error_handler(function (int $level, string $message): bool {
    throw new ErrorException($message, 0, $level);
});

function pdo(array $options = []): PDO
{
    return new PDO('pgsql:', getenv('PGUSER'), getenv('PGPASSWORD'), $options + [
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_NUM,
    ]);
}

function connection(int $flags = PGSQL_CONNECT_FORCE_NEW): PgSql\Connection
{
    return pg_connect('', $flags);
}

function same(mixed $got, mixed $expected): void
{
    if ($got !== $expected) {
        [$got, $expected] = [substr(var_export($got, true), 0, 100), substr(var_export($expected, true), 0, 100)];
        throw new RuntimeException("got $got, not $expected");
    }
}

/** Fails when it does not fail with this SQLSTATE. */
function failsWith(string $sqlstate, callable $code): void
{
    try {
        $code();
    } catch (PDOException $error) {
        same($error->errorInfo[0], $sqlstate);
        return;
    }
    throw new RuntimeException("no error, not even $sqlstate");
}

/** The first column of the only row. */
function value(PDO $pdo, string $sql, array $parameters = []): mixed
{
    $statement = $pdo->prepare($sql);
    $statement->execute($parameters);
    return $statement->fetchColumn();
}

/** The SQLSTATE of a result of the functions pg_*. */
function sqlstate(PgSql\Result|false $result): ?string
{
    return $result === false ? null : (pg_result_error_field($result, PGSQL_DIAG_SQLSTATE) ?: null);
}

/** The results of what was sent. */
function results(PgSql\Connection $connection): array
{
    $results = [];
    while ($result = pg_get_result($connection)) {
        $results[] = $result;
    }
    return $results;
}

$checks = [];

$modes = [
    'real prepares' => [],
    'emulated prepares' => [PDO::ATTR_EMULATE_PREPARES => true],
    'prepares disabled' => [PDO::PGSQL_ATTR_DISABLE_PREPARES => true],
];
foreach ($modes as $mode => $options) {
    $checks["$mode: a statement is used in many transactions"] = function () use ($options): void {
        $pdo = pdo($options);
        $item = $pdo->prepare('select name from php_items where id = ?');
        for ($i = 1; $i <= 30; $i++) {
            $pdo->beginTransaction();
            $item->execute([$i]);
            same($item->fetchColumn(), "item $i");
            $i % 2 === 0 ? $pdo->commit() : $pdo->rollBack();
            $item->execute([$i]);
            same($item->fetchColumn(), "item $i");
        }
    };
    $checks["$mode: many statements come and go"] = function () use ($options): void {
        $pdo = pdo($options);
        for ($i = 1; $i <= 60; $i++) {
            if ($i % 3 === 0) {
                $pdo->beginTransaction();
            }
            $sql = "select cast(:left as int) * $i + cast(:right as int)";
            same(value($pdo, $sql, ['left' => 2, 'right' => 1]), 2 * $i + 1);
            if ($i % 3 === 0) {
                $pdo->commit();
            }
        }
    };
    $checks["$mode: errors, and the same statements behind them"] = function () use ($options): void {
        $pdo = pdo($options);
        $divide = $pdo->prepare('select 10 / cast(? as int)');
        $insert = $pdo->prepare('insert into php_items values (?, ?)');
        for ($round = 0; $round < 3; $round++) {
            failsWith('22012', fn () => $divide->execute([0]));
            failsWith('22P02', fn () => $divide->execute(['no number']));
            failsWith('23505', fn () => $insert->execute([1, 'twice']));
            failsWith('42601', fn () => value($pdo, 'selct 1'));
            $divide->execute([5]);
            same($divide->fetchColumn(), 2);
            $pdo->beginTransaction();
            $insert->execute([-1, 'undone']);
            failsWith('22012', fn () => $divide->execute([0]));
            failsWith('25P02', fn () => $divide->execute([5]));
            $pdo->rollBack();
            same(value($pdo, 'select count(*) from php_items'), 1000);
        }
    };
    $checks["$mode: values of many types, null among them"] = function () use ($options): void {
        $sql = 'select cast(? as int), cast(? as text), cast(? as numeric), cast(? as timestamptz), cast(? as int[]), '
            . 'cast(? as jsonb), cast(? as text)';
        $statement = pdo($options)->prepare($sql);
        $values = ['42', null, '12345678901234567890.125', '2024-02-29 12:34:56.789+00', '{1,NULL,3}', '{"a": [1]}',
            "Grüße, 世界 🐘 \\ ' \""];
        for ($round = 0; $round < 3; $round++) {
            $statement->execute($values);
            same($statement->fetch(), [42, ...array_slice($values, 1)]);
        }
    };
    $checks["$mode: values of 5 MB both ways, as text and as bytea"] = function () use ($options): void {
        $pdo = pdo($options);
        $text = str_repeat('abcdefghij', LARGE / 10);
        same(value($pdo, 'select cast(? as text)', [$text]) === $text, true);
        $bytes = str_repeat(implode('', array_map('chr', range(0, 255))), intdiv(LARGE, 256));
        $statement = $pdo->prepare('select cast(? as bytea)');
        $statement->bindValue(1, $bytes, PDO::PARAM_LOB);
        $statement->execute();
        same(stream_get_contents($statement->fetchColumn()) === $bytes, true);
    };
}

$checks['savepoints: back to one after an error, and on'] = function (): void {
    $pdo = pdo();
    $pdo->beginTransaction();
    $pdo->exec("insert into php_items values (-1, 'kept')");
    $pdo->exec('savepoint here');
    failsWith('23505', fn () => value($pdo, 'insert into php_items values (?, ?)', [-1, 'twice']));
    $pdo->exec('rollback to savepoint here');
    same(value($pdo, 'select name from php_items where id = ?', [-1]), 'kept');
    $pdo->rollBack();
    same($pdo->inTransaction(), false);
};

$checks['a scrollable cursor of PDO'] = function (): void {
    $pdo = pdo();
    $pdo->beginTransaction();
    $statement = $pdo->prepare('select id from php_items order by id', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
    $statement->execute();
    for ($i = 1; $i <= 200; $i++) {
        same($statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_NEXT), [$i]);
    }
    same($statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST), [1000]);
    same($statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_PRIOR), [999]);
    same($statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_ABS, 7), [7]);
    $statement = null;
    $pdo->commit();
};

$checks['several statements in one exec'] = function (): void {
    $pdo = pdo();
    $pdo->exec('select 1; update php_items set name = name where id < 3; select 2');
    failsWith('22012', fn () => $pdo->exec('select 1; select 1/0; select 2'));
    same(value($pdo, 'select 3'), 3);
};

$checks['COPY in and out with PDO'] = function (): void {
    $pdo = pdo();
    $pdo->exec('create table php_copied (id int, name text)');
    $rows = array_map(fn (int $i): string => "$i\tname $i", range(1, 5000));
    same($pdo->pgsqlCopyFromArray('php_copied', $rows), true);
    same(array_map('trim', $pdo->pgsqlCopyToArray('php_copied')), $rows);
    failsWith('22P02', fn () => $pdo->pgsqlCopyFromArray('php_copied', ["no number\tx"]));
    same(value($pdo, 'select count(*) from php_copied'), 5000);
};

$checks['large objects with PDO'] = function (): void {
    $pdo = pdo();
    $data = random_bytes(300_000);
    $pdo->beginTransaction();
    $id = $pdo->pgsqlLOBCreate();
    $stream = $pdo->pgsqlLOBOpen($id, 'w');
    same(fwrite($stream, $data), strlen($data));
    $stream = null;
    $pdo->commit();
    $pdo->beginTransaction();
    same(stream_get_contents($pdo->pgsqlLOBOpen($id, 'r')) === $data, true);
    $pdo->pgsqlLOBUnlink($id);
    $pdo->commit();
};

$checks['persistent connections of PDO: the next user of one, after an open transaction too'] = function (): void {
    for ($i = 1; $i <= 10; $i++) {
        $pdo = pdo([PDO::ATTR_PERSISTENT => true]);
        same(value($pdo, "select cast(? as int) + $i", [$i]), 2 * $i);
        $pdo->beginTransaction();
        $pdo->exec("insert into php_items values (-1, 'undone')");
        unset($pdo);
    }
    same(value(pdo(), 'select count(*) from php_items'), 1000);
};

$checks['pg_prepare: prepared once and used in many transactions'] = function (): void {
    $connection = connection();
    pg_prepare($connection, 'item', 'select name from php_items where id = $1');
    for ($i = 1; $i <= 30; $i++) {
        pg_query($connection, 'begin');
        same(pg_fetch_result(pg_execute($connection, 'item', [$i]), 0, 0), "item $i");
        pg_query($connection, 'commit');
        same(pg_fetch_result(pg_execute($connection, 'item', [$i]), 0, 0), "item $i");
        same(pg_fetch_result(pg_query_params($connection, 'select $1::int * 2', [$i]), 0, 0), (string) (2 * $i));
    }
    pg_query($connection, 'deallocate item');
    same(pg_send_execute($connection, 'item', [1]), true);
    same(array_map('sqlstate', results($connection)), ['26000']);
};

$checks['pg_send_query: several results, and an error among them'] = function (): void {
    $connection = connection();
    pg_send_query($connection, 'select 1; select 2; select 1/0; select 4');
    $results = results($connection);
    same(array_map('sqlstate', $results), [null, null, '22012']);
    same(pg_fetch_result($results[1], 0, 0), '2');
    same(pg_fetch_result(pg_query($connection, 'select 5'), 0, 0), '5');
};

$checks['pg_send_prepare and its kin: errors, and on'] = function (): void {
    $connection = connection();
    for ($round = 0; $round < 3; $round++) {
        pg_send_prepare($connection, "sum $round", 'select $1::int + $2::int');
        same(array_map('sqlstate', results($connection)), [null]);
        pg_send_execute($connection, "sum $round", [40, 2]);
        same(pg_fetch_result(results($connection)[0], 0, 0), '42');
        pg_send_execute($connection, "sum $round", [40, 'two']);
        same(array_map('sqlstate', results($connection)), ['22P02']);
        pg_send_prepare($connection, "bad $round", 'select nothing');
        same(array_map('sqlstate', results($connection)), ['42703']);
        pg_send_query_params($connection, 'select 1 / $1::int', [0]);
        same(array_map('sqlstate', results($connection)), ['22012']);
    }
};

$checks['pg_copy_from and pg_copy_to'] = function (): void {
    $connection = connection();
    pg_query($connection, 'create table php_pg_copied (id int, name text)');
    $rows = array_map(fn (int $i): string => "$i\tname $i\n", range(1, 5000));
    same(pg_copy_from($connection, 'php_pg_copied', $rows), true);
    same(pg_copy_to($connection, 'php_pg_copied'), $rows);
    try {
        same(pg_copy_from($connection, 'php_pg_copied', ["no number\tx\n"]), false);
    } catch (ErrorException $error) {
        same(str_contains($error->getMessage(), 'invalid input syntax'), true);
    }
    same(pg_fetch_result(pg_query($connection, 'select count(*) from php_pg_copied'), 0, 0), '5000');
};

$checks['COPY line by line with pg_put_line'] = function (): void {
    $connection = connection();
    pg_query($connection, 'create table php_put (id int, name text)');
    pg_query($connection, 'copy php_put from stdin');
    for ($i = 1; $i <= 1000; $i++) {
        pg_put_line($connection, "$i\tname $i\n");
    }
    pg_put_line($connection, "\\.\n");
    same(pg_end_copy($connection), true);
    same(pg_fetch_result(pg_query($connection, 'select sum(id) from php_put'), 0, 0), '500500');
};

$checks['pg_insert, pg_select, pg_update, pg_delete'] = function (): void {
    $connection = connection();
    pg_insert($connection, 'php_items', ['id' => 5000, 'name' => "it's new"]);
    same(pg_select($connection, 'php_items', ['id' => 5000]), [['id' => '5000', 'name' => "it's new"]]);
    same(pg_update($connection, 'php_items', ['name' => 'changed'], ['id' => 5000]), true);
    same(pg_fetch_result(pg_query($connection, 'select name from php_items where id = 5000'), 0, 0), 'changed');
    same(pg_delete($connection, 'php_items', ['id' => 5000]), true);
    same(pg_select($connection, 'php_items', ['id' => 5000]) ?: [], []);
};

$checks['pg_cancel_query: a running query is cancelled, and the connection goes on'] = function (): void {
    $connection = connection();
    $watcher = connection();
    $mark = 'php cancels ' . getmypid();
    $running = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%$mark%'"
        . ' and pid <> pg_backend_pid()';
    for ($round = 0; $round < 3; $round++) {
        pg_send_query($connection, "select pg_sleep(30) /* $mark */");
        while (pg_fetch_result(pg_query($watcher, $running), 0, 0) !== '1');
        same(pg_cancel_query($connection), true);
        same(pg_fetch_result(pg_query($connection, 'select 4'), 0, 0), '4');
    }
};

$checks['a query runs into its timeout'] = function (): void {
    $pdo = pdo();
    $pdo->beginTransaction();
    $pdo->exec('set local statement_timeout = 50');
    failsWith('57014', fn () => $pdo->exec('select pg_sleep(30)'));
    $pdo->rollBack();
    same(value($pdo, 'show statement_timeout'), '0');
};

$checks['notices'] = function (): void {
    $connection = connection();
    pg_query($connection, "do \$\$begin for i in 1..3 loop raise notice 'notice %', i; end loop; end\$\$");
    $notices = array_map(fn (int $i): string => "NOTICE:  notice $i", range(1, 3));
    same(pg_last_notice($connection, PGSQL_NOTICE_ALL), $notices);
};

$checks['pg_pconnect, pg_ping and pg_connection_reset'] = function (): void {
    for ($i = 1; $i <= 5; $i++) {
        $connection = pg_pconnect('');
        same(pg_ping($connection), true);
        same(pg_fetch_result(pg_query_params($connection, 'select $1::int', [$i]), 0, 0), (string) $i);
        same(pg_connection_reset($connection), true);
        same(pg_connection_status($connection), PGSQL_CONNECTION_OK);
        same(pg_transaction_status($connection), PGSQL_TRANSACTION_IDLE);
    }
};

$checks['the catalogue is asked'] = function (): void {
    $columns = pg_meta_data(connection(), 'php_items');
    same(array_keys($columns), ['id', 'name']);
    $statement = pdo()->query('select id, name from php_items limit 1');
    same($statement->getColumnMeta(1)['native_type'], 'text');
    same($statement->getColumnMeta(1)['table'], 'php_items');
};

/** All of them are asked before anybody is heard. */
$checks['more clients than servers, each with its own answers'] = function (): void {
    $connections = [];
    for ($number = 1; $number <= CLIENTS; $number++) {
        $connections[$number] = connection();
        pg_prepare($connections[$number], 'mine', "select \$1::int * $number + $number");
        pg_prepare($connections[$number], 'shared', "select \$1::text || '!'");
    }
    for ($i = 0; $i < 40; $i++) {
        foreach ($connections as $number => $connection) {
            match ($i % 3) {
                0 => pg_send_execute($connection, 'mine', [$i]),
                1 => pg_send_execute($connection, 'shared', ["$number.$i"]),
                2 => pg_send_query_params($connection, "select $number / \$1::int", [0]),
            };
        }
        foreach ($connections as $number => $connection) {
            [$result] = results($connection);
            match ($i % 3) {
                0 => same(pg_fetch_result($result, 0, 0), (string) ($i * $number + $number)),
                1 => same(pg_fetch_result($result, 0, 0), "$number.$i!"),
                2 => same(sqlstate($result), '22012'),
            };
        }
    }
};

echo 'driver php-pdo-and-pgsql ', PHP_VERSION, "\n";
$pdo = pdo();
$pdo->exec('drop table if exists php_items, php_copied, php_pg_copied, php_put');
$pdo->exec('create table php_items (id int primary key, name text)');
$pdo->exec("insert into php_items select i, 'item ' || i from generate_series(1, 1000) i");
$pdo = null;
foreach ($checks as $what => $check) {
    try {
        $check();
        echo "ok $what\n";
    } catch (Throwable $error) {
        $why = preg_replace('/\s+/', ' ', $error->getMessage());
        echo "not ok $what: $why (line {$error->getLine()})\n";
    }
}

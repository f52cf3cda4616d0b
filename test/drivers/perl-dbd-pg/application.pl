# What applications in Perl do with DBD::Pg (libpq underneath), through the pooler. The environment says where it is.
use strict;
use warnings;
use utf8;
use DBI;
use DBD::Pg qw(:pg_types :async);
use POSIX   ();

use constant { CLIENTS => 16, LARGE => 5_000_000 };

binmode STDOUT, ':encoding(UTF-8)';
$| = 1;

sub connection {
    my (%more) = @_;
    return DBI->connect( 'dbi:Pg:', undef, undef,
        { RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1, %more } );
}

# Fails with both when they are not the same.
sub same {
    my ( $got, $expected ) = map { defined $_ ? "$_" : 'null' } @_;
    die 'got ' . substr( $got, 0, 100 ) . ', not ' . substr( $expected, 0, 100 ) . "\n" if $got ne $expected;
    return;
}

# Fails when the code does not fail with this SQLSTATE.
sub fails_with {
    my ( $sqlstate, $dbh, $code ) = @_;
    die "no error, not even $sqlstate\n" if eval { $code->(); 1 };
    same( $dbh->state, $sqlstate );
    return;
}

sub value {
    my ( $dbh, $sql, @parameters ) = @_;
    return ( $dbh->selectrow_array( $sql, undef, @parameters ) )[0];
}

# A check gets a connection of its own, in autocommit.
my @checks;
sub check { push @checks, [@_]; return }

for my $mode ( 0, 1, 2 ) {
    check "pg_server_prepare $mode: a statement is used in many transactions" => sub {
        my ($dbh) = @_;
        $dbh->{pg_server_prepare} = $mode;
        my $item = $dbh->prepare('select name from dbd_items where id = ?');
        for my $i ( 1 .. 30 ) {
            $dbh->begin_work;
            $item->execute($i);
            same( ( $item->fetchrow_array )[0], "item $i" );
            $i % 2 ? $dbh->commit : $dbh->rollback;
            $item->execute($i);
            same( ( $item->fetchrow_array )[0],           "item $i" );
            same( value( $dbh, 'select ?::int + 1', $i ), $i + 1 );
        }
    };
    check "pg_server_prepare $mode: errors, and statements that are used again behind them" => sub {
        my ($dbh) = @_;
        $dbh->{pg_server_prepare} = $mode;
        my $divide = $dbh->prepare('select 10 / ?::int');
        my $insert = $dbh->prepare('insert into dbd_items values (?, ?)');
        for ( 1 .. 3 ) {
            $divide->execute(5);
            same( ( $divide->fetchrow_array )[0], 2 );
            $divide->finish;
            fails_with( '22012', $dbh, sub { $divide->execute(0) } );
            fails_with( '23505', $dbh, sub { $insert->execute( 1, 'twice' ) } );
            fails_with( '22P02', $dbh, sub { $divide->execute('no number') } );
            $dbh->begin_work;
            fails_with( '22012', $dbh, sub { $divide->execute(0) } );
            fails_with( '25P02', $dbh, sub { $divide->execute(5) } );
            $dbh->rollback;
        }
    };
}

check 'pg_prepare_now: the statement is prepared before its first use' => sub {
    my ($dbh) = @_;
    for ( 1 .. 3 ) {
        my $sum = $dbh->prepare( 'select ?::int + ?::int', { pg_prepare_now => 1 } );
        die "it has no name on the server\n" if $sum->{pg_prepare_name} eq '';
        $sum->execute( 40, 2 );
        same( ( $sum->fetchrow_array )[0], 42 );
    }
    fails_with( '42703', $dbh,
        sub { $dbh->prepare( 'select nothing where 1 = ?', { pg_prepare_now => 1 } ) } );
};

check 'statements are deallocated when they are out of scope, in and out of transactions' => sub {
    my ($dbh) = @_;
    for my $i ( 1 .. 40 ) {
        $dbh->begin_work if $i % 2;
        {
            my $statement = $dbh->prepare( "select ?::int * $i", { pg_prepare_now => 1 } );
            $statement->execute(3);
            same( ( $statement->fetchrow_array )[0], 3 * $i );
        }
        $dbh->commit if $i % 2;
    }
    $dbh->begin_work;
    {
        my $statement = $dbh->prepare( 'select 1 / ?::int', { pg_prepare_now => 1 } );
        fails_with( '22012', $dbh, sub { $statement->execute(0) } );
    }    # deallocated in a failed transaction
    $dbh->rollback;
    same( value( $dbh, 'select 5' ), 5 );
};

check 'an open transaction goes on where a statement is deallocated in it' => sub {
    my ($dbh) = @_;
    $dbh->begin_work;
    $dbh->do(q{insert into dbd_items values (-1, 'kept')});
    { my $statement = $dbh->prepare('select ?::int'); $statement->execute(1); $statement->finish; }
    same( value( $dbh, 'select name from dbd_items where id = ?', -1 ), 'kept' );
    $dbh->commit;
    same( $dbh->do( 'delete from dbd_items where id = ?', undef, -1 ), 1 );
};

check 'DEALLOCATE ALL ahead of new statements' => sub {
    my ($dbh) = @_;
    $dbh->{pg_switch_prepared} = 1;
    my $old = $dbh->prepare( 'select ?::int', { pg_prepare_now => 1 } );
    $dbh->do('deallocate all');
    fails_with( '26000', $dbh, sub { $old->execute(1) } );
    $old->{RaiseError} = 0;    # it deallocates itself when it goes
    same( value( $dbh, 'select ?::int', 2 ), 2 );
};

check 'placeholders: dollars, colons, and a question mark that is an operator' => sub {
    my ($dbh) = @_;
    same( value( $dbh, 'select $2::text || $1::text || $2::text', 'a', 'b' ), 'bab' );
    my $named = $dbh->prepare('select :left::int - :right::int');
    $named->bind_param( ':left',  50 );
    $named->bind_param( ':right', 8 );
    $named->execute;
    same( ( $named->fetchrow_array )[0], 42 );
    local $dbh->{pg_placeholder_dollaronly} = 1;
    same( value( $dbh, q{select '{"a":1}'::jsonb ? 'a' and $1::int = 7}, 7 ), 1 );
    local $dbh->{pg_placeholder_escaped}    = 1;
    local $dbh->{pg_placeholder_dollaronly} = 0;
    same( value( $dbh, q{select '{"a":1}'::jsonb \\? ?}, 'a' ), 1 );
};

check 'pg_direct: several statements in one query' => sub {
    my ($dbh) = @_;
    $dbh->do( 'select 1; update dbd_items set name = name where id < 3; select 2', { pg_direct => 1 } );
    same( value( $dbh, 'select 3' ), 3 );
    fails_with( '22012', $dbh, sub { $dbh->do('select 1; select 1/0; select 2') } );
    same( $dbh->ping, 1 );
};

check 'values of many types, null among them' => sub {
    my ($dbh) = @_;
    my @row = $dbh->selectrow_array(
        'select ?::text, ?::numeric, ?::timestamptz, ?::int[], ?::jsonb, ?::boolean',
        undef, undef,
        '12345678901234567890.123456789',
        '2024-02-29 12:34:56.789+00',
        [ 1, undef, 3 ],
        '{"a": [1]}', 1
    );
    same( $row[0],                                        undef );
    same( $row[1],                                        '12345678901234567890.123456789' );
    same( $row[2],                                        '2024-02-29 12:34:56.789+00' );
    same( join( ',', map { $_ // 'null' } @{ $row[3] } ), '1,null,3' );
    same( $row[4],                                        '{"a": [1]}' );
    same( $row[5],                                        1 );
    same( value( $dbh, 'select ?::text', 'Grüße, 世界 🐘' ), 'Grüße, 世界 🐘' );
};

check 'values of 5 MB both ways, as text and as bytea' => sub {
    my ($dbh) = @_;
    my $text = 'abcdefghijklmnopqrstuvwxyz' x ( LARGE / 26 );
    same( value( $dbh, 'select ?::text', $text ) eq $text, 1 );
    my $bytes = pack 'C*', map { $_ % 256 } 0 .. 99_999;
    $bytes = $bytes x 50;
    my $statement = $dbh->prepare('select ?::bytea');
    $statement->bind_param( 1, $bytes, { pg_type => PG_BYTEA } );
    $statement->execute;
    same( ( $statement->fetchrow_array )[0] eq $bytes, 1 );
};

check 'without autocommit each commit begins anew' => sub {
    my $dbh    = connection( AutoCommit => 0 );
    my $insert = $dbh->prepare('insert into dbd_items values (?, ?)');
    for my $i ( 1 .. 5 ) {
        $insert->execute( -$i, "late $i" );
        $i % 2 ? $dbh->commit : $dbh->rollback;
    }
    same( value( $dbh, 'select string_agg(name, $$,$$ order by name) from dbd_items where id < 0' ),
        'late 1,late 3,late 5' );
    $dbh->do('delete from dbd_items where id < 0');
    $dbh->commit;
    $dbh->disconnect;
};

check 'savepoints: back to one after an error, and on' => sub {
    my ($dbh) = @_;
    $dbh->begin_work;
    $dbh->do(q{insert into dbd_items values (-1, 'kept')});
    for my $i ( 1 .. 5 ) {
        $dbh->pg_savepoint('here');
        fails_with( '23505', $dbh,
            sub { $dbh->do( 'insert into dbd_items values (?, ?)', undef, -1, 'twice' ) } );
        $dbh->pg_rollback_to('here');
        $dbh->pg_release('here');
    }
    same( value( $dbh, 'select name from dbd_items where id = -1' ), 'kept' );
    $dbh->rollback;
    same( value( $dbh, 'select count(*) from dbd_items' ), 1000 );
};

check 'execute_array and its one bad row' => sub {
    my ($dbh) = @_;
    $dbh->begin_work;
    my $insert = $dbh->prepare('insert into dbd_items values (?, ?)');
    same( $insert->execute_array( {}, [ map { -$_ } 1 .. 100 ], [ map { "row $_" } 1 .. 100 ] ), 100 );
    same( value( $dbh, 'select count(*) from dbd_items where id < 0' ),                          100 );
    $dbh->rollback;
};

check 'a cursor is fetched in parts' => sub {
    my ($dbh) = @_;
    $dbh->begin_work;
    $dbh->do('declare walk cursor for select id from dbd_items order by id');
    my @seen;
    while ( my @part = @{ $dbh->selectcol_arrayref('fetch 300 from walk') } ) { push @seen, @part }
    $dbh->commit;
    same( "@seen", join ' ', 1 .. 1000 );
};

check 'COPY in and out' => sub {
    my ($dbh) = @_;
    $dbh->do('create table dbd_copied (id int, name text)');
    $dbh->do('copy dbd_copied from stdin');
    $dbh->pg_putcopydata("$_\tname $_\n") for 1 .. 20_000;
    $dbh->pg_putcopyend;
    same( value( $dbh, q{select count(*) || ' ' || sum(id) from dbd_copied} ), '20000 200010000' );
    $dbh->do('copy (select id, name from dbd_copied order by id) to stdout');
    my ( $line, $rows ) = ( '', 0 );
    while ( $dbh->pg_getcopydata($line) >= 0 ) { $rows++; same( $line, "$rows\tname $rows\n" ) }
    same( $rows, 20_000 );
};

check 'COPY with data that is none' => sub {
    my ($dbh) = @_;
    $dbh->do('create table if not exists dbd_copied (id int, name text)');
    $dbh->do('truncate dbd_copied');
    $dbh->do('copy dbd_copied from stdin');
    $dbh->pg_putcopydata("no number\tx\n");
    fails_with( '22P02', $dbh, sub { $dbh->pg_putcopyend } );
    same( value( $dbh, 'select count(*) from dbd_copied' ), 0 );
};

check 'asynchronous queries' => sub {
    my ($dbh) = @_;
    for my $i ( 1 .. 20 ) {
        $dbh->do( "update dbd_items set name = name where id <= $i", { pg_async => PG_ASYNC } );
        same( $dbh->pg_result, $i );
        my $statement = $dbh->prepare( 'select ?::int * 2', { pg_async => PG_ASYNC } );
        $statement->execute($i);
        select undef, undef, undef, 0.001 until $statement->pg_ready;
        $statement->pg_result;
        same( ( $statement->fetchrow_array )[0], 2 * $i );
    }
};

check 'asynchronous queries: one that fails, and one that makes room for the next' => sub {
    my ($dbh) = @_;
    $dbh->do( 'select 1/0', { pg_async => PG_ASYNC } );
    fails_with( '22012', $dbh, sub { $dbh->pg_result } );
    $dbh->do( 'select pg_sleep(30)', { pg_async => PG_ASYNC } );
    $dbh->do( 'select 1',            { pg_async => PG_ASYNC + PG_OLDQUERY_CANCEL } );
    $dbh->pg_result;
    $dbh->do( 'select pg_sleep(0.1)', { pg_async => PG_ASYNC } );
    $dbh->do( 'select 2',             { pg_async => PG_ASYNC + PG_OLDQUERY_WAIT } );
    $dbh->pg_result;
    same( value( $dbh, 'select 3' ), 3 );
};

check 'a running query is cancelled, and the connection goes on' => sub {
    my ($dbh) = @_;
    my $watcher = connection();
    for ( 1 .. 3 ) {
        $dbh->do( "select pg_sleep(30) /* dbd $$ */", { pg_async => PG_ASYNC } );
        my $is_running = $watcher->prepare(
            q{select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like ?});
        do { $is_running->execute("%/* dbd $$ */%") } until ( $is_running->fetchrow_array )[0];
        same( $dbh->pg_cancel,           1 );
        same( value( $dbh, 'select 4' ), 4 );
    }
};

check 'a query runs into its timeout' => sub {
    my ($dbh) = @_;
    $dbh->begin_work;
    $dbh->do('set local statement_timeout = 50');
    fails_with( '57014', $dbh, sub { $dbh->do('select pg_sleep(30)') } );
    $dbh->rollback;
    same( value( $dbh, 'show statement_timeout' ), 0 );
};

check 'large objects' => sub {
    my ($dbh) = @_;
    my $data  = join '', map { chr( $_ % 256 ) } 0 .. 199_999;
    $dbh->begin_work;
    my $id   = $dbh->pg_lo_creat( $dbh->{pg_INV_WRITE} );
    my $file = $dbh->pg_lo_open( $id, $dbh->{pg_INV_WRITE} );
    same( $dbh->pg_lo_write( $file, $data, length $data ), length $data );
    $dbh->pg_lo_close($file);
    $dbh->commit;
    $dbh->begin_work;
    $file = $dbh->pg_lo_open( $id, $dbh->{pg_INV_READ} );
    my $read = '';
    same( $dbh->pg_lo_read( $file, $read, length $data ), length $data );
    same( $read eq $data,                                 1 );
    $dbh->pg_lo_unlink($id);
    $dbh->commit;
};

check 'notices' => sub {
    my ($dbh) = @_;
    my $heard = '';
    local $SIG{__WARN__} = sub { $heard .= $_[0] };
    $dbh->{PrintWarn} = 1;
    $dbh->do(q{do $$begin raise notice 'heard'; end$$});
    die "heard '$heard'\n" if $heard !~ /NOTICE:\s+heard/;
};

check 'the catalogue is asked' => sub {
    my ($dbh) = @_;
    same( join( ',', $dbh->primary_key( undef, 'public', 'dbd_items' ) ), 'id' );
    my $columns =
      $dbh->column_info( undef, 'public', 'dbd_items', '%' )->fetchall_arrayref( { COLUMN_NAME => 1 } );
    same( join( ',', map { $_->{COLUMN_NAME} } @{$columns} ), 'id,name' );
};

check 'a connection that is closed leaves nothing behind' => sub {
    for my $i ( 1 .. 12 ) {
        my $dbh = connection();
        $dbh->begin_work;
        $dbh->do( 'insert into dbd_items values (?, ?)', undef, -7, 'lost' );
        $dbh->disconnect;
    }
    my ($dbh) = @_;
    same( value( $dbh, 'select count(*) from dbd_items where id = -7' ), 0 );
};

# Each client is a process of its own.
check 'more clients than servers, each with its own answers' => sub {
    my @children;
    for my $number ( 1 .. CLIENTS ) {
        my $pid = fork // die "no fork: $!\n";
        if ( $pid == 0 ) {
            my $is_right = eval { crowd_member($number); 1 };
            warn $@ if !$is_right;
            POSIX::_exit( $is_right ? 0 : 1 );
        }
        push @children, $pid;
    }
    my $wrong = grep { waitpid( $_, 0 ); $? != 0 } @children;
    die "$wrong of them heard something else\n" if $wrong;
};

sub crowd_member {
    my ($number) = @_;
    my $dbh      = connection();
    my $mine     = $dbh->prepare( "select ?::int * $number + $number", { pg_prepare_now => 1 } );
    my $shared   = $dbh->prepare( q{select ?::text || '!'},            { pg_prepare_now => 1 } );
    for my $i ( 1 .. 30 ) {
        $dbh->begin_work if $i % 3 == 0;
        $mine->execute($i);
        same( ( $mine->fetchrow_array )[0], $i * $number + $number );
        $shared->execute("$number.$i");
        same( ( $shared->fetchrow_array )[0], "$number.$i!" );
        fails_with( '22012', $dbh, sub { value( $dbh, 'select 1 / ?::int', 0 ) } ) if $i % 6 == 0;
        $dbh->rollback                                                             if $i % 3 == 0;
        $_->finish for $mine, $shared;
    }
    $dbh->disconnect;
    return;
}

print "driver DBD::Pg $DBD::Pg::VERSION\n";
{
    my $dbh = connection();
    $dbh->do('set client_min_messages = warning');
    $dbh->do('drop table if exists dbd_items, dbd_copied');
    $dbh->do('create table dbd_items (id int primary key, name text)');
    $dbh->do(q{insert into dbd_items select i, 'item ' || i from generate_series(1, 1000) i});
    $dbh->disconnect;
}
for my $each (@checks) {
    my ( $what, $code ) = @{$each};
    my $dbh = connection();
    if ( eval { $code->($dbh); 1 } ) {
        print "ok $what\n";
    }
    else { ( my $why = $@ ) =~ s/\s+/ /g; print "not ok $what: $why\n" }
    $dbh->disconnect;
}

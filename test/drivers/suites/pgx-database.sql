-- What pgx's tests need in a database (see testsetup/postgresql_setup.sql there), and one thing more. They give the
-- same few names to all of their temporary tables, and count on a new session each. A pooler's servers keep theirs, so
-- a temporary table goes when another of its name is to be made.
create extension hstore;
create extension ltree;
create domain uint64 as numeric(20, 0);

create function drop_before_create() returns event_trigger language plpgsql as $$
declare
  name text;
begin
  for name in
    select relname from pg_class
    where relnamespace = pg_my_temp_schema() and relkind = 'r'
      and age(xmin) > 0 -- not of this very transaction
      and relname in (
        select words[1] from regexp_matches(current_query(), 'create\s+temporary\s+table\s+(\w+)', 'gi') words)
  loop
    execute format('drop table pg_temp.%I cascade', name);
  end loop;
end
$$;
create event trigger drop_before_create on ddl_command_start when tag in ('CREATE TABLE')
  execute function drop_before_create();

package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// timeLimit is for one check: what waits for ever has failed.
const timeLimit = 30 * time.Second

// failure is what the functions below panic with; it ends the check.
type failure string

// check runs one and prints its line.
func check(what string, run func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	defer func() {
		switch reason := recover().(type) {
		case nil:
			fmt.Println("ok", what)
		case failure:
			fmt.Printf("not ok %s: %s\n", what, strings.ReplaceAll(string(reason), "\n", " "))
		default:
			panic(reason)
		}
	}()
	run(ctx)
}

// must ends the check when there is an error.
func must(err error) {
	if err != nil {
		panic(failure(err.Error()))
	}
}

// get is the value of a call that must not fail.
func get[T any](value T, err error) T {
	must(err)
	return value
}

func equal[T any](got, want T) {
	if !reflect.DeepEqual(got, want) {
		panic(failure(fmt.Sprintf("got %.200s, want %.200s", fmt.Sprint(got), fmt.Sprint(want))))
	}
}

// mustFail wants PostgreSQL's error of that SQLSTATE.
func mustFail(err error, sqlState string) {
	var fromServer interface{ SQLState() string }
	if !errors.As(err, &fromServer) {
		panic(failure(fmt.Sprintf("got %v, want an error %s", err, sqlState)))
	}
	equal(fromServer.SQLState(), sqlState)
}

// together runs a function n times at once, and fails as the first of them that fails.
func together(n int, run func(i int)) {
	failures := make(chan any, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			defer func() {
				if reason := recover(); reason != nil {
					failures <- reason
				}
			}()
			run(i)
		})
	}
	all.Wait()
	select {
	case first := <-failures:
		panic(first)
	default:
	}
}

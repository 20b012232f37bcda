// A server that speaks MongoDB's wire protocol and keeps its data in SQLite files (FerretDB, embedded): what the tests
// use where no mongod is to be had.
//
//	mongo-server HOST:PORT STATE_DIRECTORY
//
// It ends at SIGTERM or SIGINT with exit code 0.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: mongo-server HOST:PORT STATE_DIRECTORY")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "mongo-server:", err)
		os.Exit(1)
	}
}

func serve(address, directory string) error {
	// the word for a directory ends with a slash
	if !strings.HasSuffix(directory, "/") {
		directory += "/"
	}
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: address},
		Logger:    quiet,
		Handler:   "sqlite",
		SQLiteURL: "file:" + directory,
	})
	if err != nil {
		return err
	}
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := server.Run(stopped); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

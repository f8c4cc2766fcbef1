package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/published"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// publishedOptions are the options of a comparison with published figures.
type publishedOptions struct {
	experimentFlags
	config published.Config
	writer report.FormatOf[*results.Published]
}

func newPublishedCommand() *cobra.Command {
	o := &publishedOptions{}
	cmd := &cobra.Command{
		Use:   "published",
		Short: "repeat the measurements of etcd's operations guide and compare the figures",
		Long: `Repeats the seven measurements of the performance page of etcd's operations guide:
puts and reads with 1 and with 1,000 clients. Prints the results beside the published
figures, with the differences in conditions. Without --endpoints, it starts a cluster
of three members on this machine for each row.`,
		Example: `  etcdbench run published --quick
  etcdbench run published --endpoints 10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.NoArgs(cmd, args)) },
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	help := o.register(cmd.Flags(), "Comparison", published.Kind, report.Comparisons().Names(), func(fs *pflag.FlagSet) {
		fs.BoolVar(&o.config.Quick, "quick", false, "a tenth of each row's operations")
	})
	cmd.SetUsageFunc(help.usage)
	return cmd
}

func (o *publishedOptions) run(cmd *cobra.Command) (err error) {
	if o.writer, err = report.Comparisons().Find(o.format); err != nil {
		return usage(fmt.Errorf("--format: %w", err))
	}
	if _, err := o.scenario(nil); err != nil {
		return usage(err)
	}
	asked, err := question(&o.experimentFlags, cmd.Flags(), published.Kind, "", o.config)
	if err != nil {
		return usage(err)
	}
	e, err := published.New(asked.Spec, asked.Options)
	if err != nil {
		return usage(err)
	}
	return conduct(cmd, &o.experimentFlags, asked, e, func(ctx context.Context, options experiment.Options, r *reporter) func() error {
		plan := e.Plan()
		r.announce(plan.Length(), "%s; estimated time at the published rates: %v",
			words.Plural(len(plan.Runs), "row", "rows"), plan.Length().Round(time.Second))
		p, err := e.Run(ctx, options, func(row results.PublishedRow) {
			r.announce(0, "%s: %s/s, published %s/s", row.Name, words.Rate(row.Rate), words.Rate(row.PublishedRate))
		})
		return func() error { return o.finish(p, err, cmd.OutOrStdout()) }
	})
}

// finish saves and prints the comparison.
func (o *publishedOptions) finish(p *results.Published, err error, stdout io.Writer) error {
	if err != nil {
		return interrupted(err)
	}
	page, err := report.Comparisons().Find("html")
	if err != nil {
		return err
	}
	if err := experiment.SaveResult(o.out, results.PublishedFile, p, func(w io.Writer) error { return page.Write(w, p) }); err != nil {
		return err
	}
	return o.writer.Write(stdout, p)
}
